"""Published encoders as Flax NNX modules, filled from the files their authors released: `bert` and `checkpoint`.

`TEXT_ENCODERS` hands those that embed texts to the features, by the name that `TextFeature.encoder` gives.
"""

from input_pipeline.features import Encoder, Encoders, Sentences, TextFeature


def _bert(feature: TextFeature) -> Encoder:
    from jaxdep.models.encoders.bert import load_sentence_encoder  # loads transformers, which takes seconds

    if isinstance(feature, Sentences):
        return load_sentence_encoder(feature.checkpoint, feature.pooling)
    return load_sentence_encoder(feature.checkpoint).word_states


TEXT_ENCODERS: Encoders = {"bert": _bert}
