"""Published encoders as Flax NNX modules, filled from the files their authors released.

`ENCODERS` hands them to the features, by the name that a feature's `encoder` gives: those of `TEXT_ENCODERS` embed texts,
those of `IMAGE_ENCODERS` pictures.
"""

from input_pipeline.features import Encoder, Encoders, ImageEncoder, ImageStates, Sentences, TextFeature


def _bert(feature: TextFeature) -> Encoder:
    from jaxdep.models.encoders.bert import (
        Architecture,
        load_sentence_encoder,
    )  # loads transformers, which takes seconds

    architecture: Architecture = "roberta" if feature.encoder == "roberta" else "bert"
    if isinstance(feature, Sentences):
        return load_sentence_encoder(feature.checkpoint, feature.pooling, architecture=architecture)
    return load_sentence_encoder(feature.checkpoint, architecture=architecture).word_states


def _efficientnet(feature: ImageStates) -> ImageEncoder:
    from jaxdep.models.encoders.efficientnet import load_image_encoder  # as above

    return load_image_encoder(feature.checkpoint)


TEXT_ENCODERS: Encoders = {"bert": _bert, "roberta": _bert}
IMAGE_ENCODERS: Encoders = {"efficientnet": _efficientnet}
ENCODERS: Encoders = {**TEXT_ENCODERS, **IMAGE_ENCODERS}
