"""A vector for the words of each segment: hashed word counts, or the embedding of a language model handed in."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Float, Float32

from input_pipeline.config import Config, ConfigError
from input_pipeline.features.segmentation import Segmentation

Encoder = Callable[[Sequence[str]], Float[np.ndarray, "texts dim"]]


@dataclasses.dataclass
class Sentences(Config):
    """One vector a segment, from its words. A segment without words is the zero vector.

    Attributes:
        encoder: "hashing" needs no model: lower-cased word unigrams and bigrams (one-letter words such as "I" count),
            hashed with signs into `dim` places, l2-normalised (Weinberger et al., "Feature Hashing", ICML 2009, as
            scikit-learn's HashingVectorizer computes it). "bert" is handed in by the caller.
        checkpoint: the language model, as the caller's encoder understands it.
        pooling: how the language model's word states become one vector: their mean, or the state of its first token.
        dim: the length of a vector; that of the language model's states.
    """

    version: ClassVar[int] = 1
    kind: ClassVar[str] = "sentences"
    reads_audio: ClassVar[bool] = False

    encoder: Literal["hashing", "bert"] = "hashing"
    checkpoint: str = ""
    pooling: Literal["mean", "cls"] = "mean"
    dim: int = 768
    segmentation: Segmentation = dataclasses.field(default_factory=Segmentation)

    def check(self) -> None:
        if self.dim < 1:
            raise ConfigError(f"dim: expected 1 or more, found {self.dim!r}")
        if self.encoder == "bert" and not self.checkpoint:
            raise ConfigError("checkpoint: encoder 'bert' needs the name or the folder of a checkpoint, found ''")
        if self.encoder == "hashing" and self.checkpoint:
            raise ConfigError(f"checkpoint: encoder 'hashing' takes none, found {self.checkpoint!r}")


EncoderMaker = Callable[[Sentences], Encoder]
Encoders = Mapping[str, EncoderMaker]


def encoder_of(feature: Sentences, encoders: Encoders | None = None) -> Encoder:
    """The encoder that the feature names: from `encoders`, or the built-in "hashing".

    Raises:
        ConfigError: no encoder of that name was handed in.
    """
    known: dict[str, EncoderMaker] = {"hashing": _hashing, **(encoders or {})}
    if feature.encoder not in known:
        raise ConfigError(f"encoder: {feature.encoder!r} was not handed in; there are {', '.join(sorted(known))}")
    return known[feature.encoder](feature)


def embed(texts: Sequence[str], encoder: Encoder, dim: int) -> Float32[np.ndarray, "texts dim"]:
    """The vectors of the texts; zeros where a text is empty. The encoder never meets an empty text.

    Raises:
        ConfigError: the encoder's vectors are not `dim` long.
    """
    vectors = np.zeros((len(texts), dim), np.float32)
    spoken = [index for index, text in enumerate(texts) if text.strip()]
    if spoken:
        encoded = np.asarray(encoder([texts[index] for index in spoken]), np.float32)
        if encoded.shape != (len(spoken), dim):
            raise ConfigError(f"dim: {dim}, but the encoder made an array of {encoded.shape} for {len(spoken)} texts")
        vectors[spoken] = encoded
    return vectors


def _hashing(feature: Sentences) -> Encoder:
    from sklearn.feature_extraction.text import HashingVectorizer  # half a second that audio workers need not spend

    # The vectorizer's own pattern drops words of one letter, and "I" tells more about depression than most longer ones.
    vectorizer = HashingVectorizer(n_features=feature.dim, ngram_range=(1, 2), norm="l2", token_pattern=r"(?u)\b\w+\b")
    return lambda texts: vectorizer.transform(texts).toarray()
