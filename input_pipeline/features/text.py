"""Features of the words of each segment: what all of them share, and `Sentences`, one vector a segment."""

import abc
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Float, Float32

from input_pipeline.config import ConfigError
from input_pipeline.features.base import Encoders, Learnt, RecordingFeature
from input_pipeline.left_out import LeftOut, counted
from input_pipeline.recording import Recording, Segment

# From texts to a vector of each, or to the vectors of each one's words.
Encoder = Callable[[Sequence[str]], Float[np.ndarray, "texts dim"] | Sequence[Float[np.ndarray, "words dim"]]]

_TEXTS_AT_ONCE = 1024  # segments whose texts an encoder meets in one call, at least, while there are more


@dataclasses.dataclass
class TextFeature(Learnt):
    """Base of the features of words, whose vectors an encoder makes from texts, many texts in a call.

    Attributes:
        encoder: the encoder's name; "hashing" is built in and needs no checkpoint, every other one needs its own.
        checkpoint: the file, the folder or the hub's name of what the encoder has learnt. A path is absolute, or relative
            to the working folder or, in an experiment, to `--data_dir`.
        dim: the length of a vector.
    """

    reads_audio: ClassVar[bool] = False

    encoder: str = "hashing"
    dim: int = 768

    def check(self) -> None:
        if self.dim < 1:
            raise ConfigError(f"dim: expected 1 or more, found {self.dim!r}")
        if self.encoder == "hashing" and self.checkpoint:
            raise ConfigError(f"checkpoint: encoder 'hashing' takes none, found {self.checkpoint!r}")
        if self.encoder != "hashing" and not self.checkpoint:
            raise ConfigError(f"checkpoint: encoder {self.encoder!r} needs the path or the name of one, found ''")

    @property
    def remark(self) -> str:
        if self.encoder != "hashing":
            return ""
        return (
            "words are hashed: the vectors know their spelling, and nothing that a language model or GloVe has learnt."
        )

    def check_recordings(self, recordings: Sequence[Recording]) -> None:
        super().check_recordings(recordings)
        if not any(segment.text.strip() for one in recordings for segment in self.segmentation.apply(one)):
            raise ConfigError(
                f"segmentation: {self.kind} are made of words, and no segment that it keeps has any; give the corpus "
                "transcripts, or take a feature of sound"
            )

    def left_out(self, recordings: Sequence[Recording]) -> tuple[LeftOut, ...]:
        kept = map(self.segmentation.apply, recordings)
        wordless = ((sum(not segment.text.strip() for segment in segments), len(segments)) for segments in kept)
        found = counted("segments", "have no words and are a zero vector", wordless)
        return (*super().left_out(recordings), *found)

    def compute(
        self, recordings: Sequence[Recording], *, encoders: Encoders, workers: int
    ) -> Iterator[RecordingFeature]:
        """As of every feature; in this process, because the encoder may be on a device."""
        everything = (text for recording in recordings for texts in self.texts(recording) for text in texts)
        encoder = encoder_of(self, everything, encoders)
        for batch in self._batches(recordings):
            # A text is embedded once, though it may be the context of several others.
            unique = list(dict.fromkeys(text for segments in batch for texts in segments for text in texts))
            vectors = dict(zip(unique, embed(unique, encoder, self.dim), strict=True))
            for segments in batch:
                frames = [np.concatenate([vectors[text] for text in texts]) for texts in segments]
                yield RecordingFeature(np.concatenate(frames), np.array([len(of_one) for of_one in frames], np.int32))

    def texts(self, recording: Recording) -> list[tuple[str, ...]]:
        """Of each of `segments`, the texts whose vectors one after another are its frames."""
        return [(segment.text,) for segment in self.segments(recording)]

    @abc.abstractmethod
    def built_in(self) -> Mapping[str, Callable[[Iterable[str]], Encoder]]:
        """By name, what makes the encoders that nobody hands in, from all the texts that they will meet."""

    def _batches(self, recordings: Sequence[Recording]) -> Iterator[list[list[tuple[str, ...]]]]:
        """The texts of whole recordings, of so many that their segments are `_TEXTS_AT_ONCE` or the last."""
        batch: list[list[tuple[str, ...]]] = []
        count = 0
        for recording in recordings:
            batch.append(self.texts(recording))
            count += len(batch[-1])
            if count >= _TEXTS_AT_ONCE:
                yield batch
                batch, count = [], 0
        if batch:
            yield batch


@dataclasses.dataclass
class Sentences(TextFeature):
    """One vector a segment, from its words. A segment without words is the zero vector.

    Attributes:
        context: so many utterances of the dialogue before a segment and after it are its frames too, in order: 2 context
            + 1 vectors, the zero vector where the dialogue has no such utterance. A session's dialogue is its kept
            segments; an utterance's is `Recording.dialogue`, which must then be known.
        context_of: whose utterances a session's context is made of: the "participant" alone (those whom the segmentation
            keeps), or "both" speakers, as in a `Recording.dialogue`. The interviewer's tell on the label (`Segmentation`).
        encoder: "hashing" needs no model: lower-cased word unigrams and bigrams (one-letter words such as "I" count),
            hashed with signs into `dim` places, l2-normalised (Weinberger et al., "Feature Hashing", ICML 2009, as
            scikit-learn's HashingVectorizer computes it). "bert" and "roberta" are handed in by the caller.
        checkpoint: the language model, as the caller's encoder understands it.
        pooling: how the language model's word states become one vector: their mean, or the state of its first token.
        dim: the length of a vector; that of the language model's states.
    """

    version: ClassVar[int] = 1
    kind: ClassVar[str] = "sentences"

    encoder: Literal["hashing", "bert", "roberta"] = "hashing"
    pooling: Literal["mean", "cls"] = "mean"
    context: int = 0
    context_of: Literal["participant", "both"] = "participant"

    def check(self) -> None:
        super().check()
        if self.context < 0:
            raise ConfigError(f"context: expected 0 or more utterances to each side, found {self.context!r}")

    def check_recordings(self, recordings: Sequence[Recording]) -> None:
        super().check_recordings(recordings)
        alone = [one for one in recordings if not one.dialogue and len(one.segments) == 1]
        # A session may have but one turn; where every recording is of one, they are utterances of unknown dialogues.
        are_utterances = len(alone) == len(recordings) or any(one.dialogue for one in recordings)
        if self.context and alone and are_utterances:
            raise ConfigError(
                f"context: {self.context} utterances around each are asked for, and of {len(alone)} of {len(recordings)} "
                f"recordings the dialogue is not known ({alone[0].id} is the first); name it (a manifest has the columns "
                "dialogue and turn), or set context to 0"
            )

    def texts(self, recording: Recording) -> list[tuple[str, ...]]:
        segments = self.segmentation.apply(recording)
        if not self.context:
            return [(segment.text,) for segment in segments]
        if recording.dialogue:
            return [self._around(recording.dialogue, recording.turn)] * len(segments)
        if self.context_of == "both":
            return [self._among(recording.segments, segment) for segment in segments]
        dialogue = tuple(segment.text for segment in segments)
        return [self._around(dialogue, turn) for turn in range(len(segments))]

    def _around(self, dialogue: Sequence[str], turn: int) -> tuple[str, ...]:
        places = range(turn - self.context, turn + self.context + 1)
        return tuple(dialogue[place] if 0 <= place < len(dialogue) else "" for place in places)

    def _among(self, everybody: Sequence[Segment], segment: Segment) -> tuple[str, ...]:
        """A kept segment among everybody's, whose neighbours begin before it or after; it may be several of them, or a part."""
        others = [
            other
            for other in everybody
            if other.speaker != segment.speaker or other.stop_s <= segment.start_s or other.start_s >= segment.stop_s
        ]
        before = [other.text for other in others if other.start_s < segment.start_s]
        after = [other.text for other in others if other.start_s >= segment.start_s]
        return self._around((*before, segment.text, *after), len(before))

    def built_in(self) -> Mapping[str, Callable[[Iterable[str]], Encoder]]:
        return {"hashing": self._hashing}

    def _hashing(self, texts: Iterable[str]) -> Encoder:
        from sklearn.feature_extraction.text import HashingVectorizer  # half a second that audio workers need not spend

        # The vectorizer's own pattern drops words of one letter, and "I" tells more about depression than most longer
        # ones.
        vectorizer = HashingVectorizer(n_features=self.dim, ngram_range=(1, 2), norm="l2", token_pattern=r"(?u)\b\w+\b")
        return lambda texts: vectorizer.transform(texts).toarray()


def encoder_of(feature: TextFeature, texts: Iterable[str], encoders: Encoders | None = None) -> Encoder:
    """The encoder that the feature names: from `encoders`, or built in.

    Args:
        texts: all that the encoder will meet; a built-in one may know no word of others.

    Raises:
        ConfigError: no encoder of that name is built in or was handed in.
        DataError: the checkpoint cannot be used.
    """
    handed_in, built_in = encoders or {}, feature.built_in()
    if feature.encoder in handed_in:
        return handed_in[feature.encoder](feature)
    if feature.encoder in built_in:
        return built_in[feature.encoder](texts)
    known = ", ".join(sorted({*handed_in, *built_in}))
    raise ConfigError(f"encoder: {feature.encoder!r} was not handed in; there are {known}")


def embed(texts: Sequence[str], encoder: Encoder, dim: int) -> list[Float32[np.ndarray, "vectors dim"]]:
    """The vectors of each text; one zero vector where it is empty or holds no word. The encoder meets no empty text.

    Raises:
        ConfigError: the encoder's vectors are not `dim` long.
    """
    vectors = [np.zeros((1, dim), np.float32)] * len(texts)
    spoken = [index for index, text in enumerate(texts) if text.strip()]
    encoded = encoder([texts[index] for index in spoken]) if spoken else ()
    for index, of_text in zip(spoken, encoded, strict=True):
        found = np.atleast_2d(np.asarray(of_text, np.float32))
        if found.shape[1:] != (dim,):
            raise ConfigError(f"dim: {dim}, but the encoder made an array of {found.shape} for a text")
        if len(found):
            vectors[index] = found
    return vectors
