"""Published encoders as Flax NNX modules, filled from the files their authors released: `bert` and `checkpoint`.

`TEXT_ENCODERS` hands those that embed texts to the features, by the name that `Sentences.encoder` gives.
"""

from collections.abc import Callable, Mapping

from input_pipeline.features import Encoder, Sentences


def _bert(feature: Sentences) -> Encoder:
    from jaxdep.models.encoders.bert import load_sentence_encoder  # loads transformers, which takes seconds

    return load_sentence_encoder(feature.checkpoint, feature.pooling)


TEXT_ENCODERS: Mapping[str, Callable[[Sentences], Encoder]] = {"bert": _bert}
