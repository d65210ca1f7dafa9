"""Published encoders as Flax NNX modules, filled from the files their authors released, each in a module of its name.

`ENCODERS` hands them to the features, by the name that a feature's `encoder` gives: those of `TEXT_ENCODERS` embed texts,
those of `IMAGE_ENCODERS` pictures.
"""

from input_pipeline.features import Encoder, Encoders, ImageEncoder, ImageStates, Sentences, TextFeature


def _bert(feature: TextFeature) -> Encoder:
    from jaxdep.models.encoders.bert import load_sentence_encoder  # loads transformers, which takes seconds

    if isinstance(feature, Sentences):
        return load_sentence_encoder(feature.checkpoint, feature.pooling)
    return load_sentence_encoder(feature.checkpoint).word_states


def _efficientnet(feature: ImageStates) -> ImageEncoder:
    from jaxdep.models.encoders.efficientnet import load_image_encoder  # as above

    return load_image_encoder(feature.checkpoint)


TEXT_ENCODERS: Encoders = {"bert": _bert}
IMAGE_ENCODERS: Encoders = {"efficientnet": _efficientnet}
ENCODERS: Encoders = {**TEXT_ENCODERS, **IMAGE_ENCODERS}
