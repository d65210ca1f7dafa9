"""A vector for each word of the segments, in order: hashed spelling, GloVe, or a language model's states handed in."""

import dataclasses
import itertools
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Float32

from input_pipeline.config import ConfigError
from input_pipeline.errors import DataError
from input_pipeline.features.text import Encoder, TextFeature
from input_pipeline.recording import Recording, Segment

Table = Mapping[str, Float32[np.ndarray, " dim"]]  # from a word to its vector

_WORD = re.compile(r"\w+(?:'\w+)*")
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+")
_CONTRACTION = re.compile(r"(.+?)(n't|'(?:s|m|d|re|ve|ll))")
_HEADER = re.compile(rb"\d+ \d+")  # word2vec's first line: how many words, and dim
_LARGEST = float(np.finfo(np.float32).max)


@dataclasses.dataclass
class Words(TextFeature):
    """One vector a word. A segment without words is one zero vector.

    Words are lower-cased; an apostrophe within a word belongs to it, every other mark ends it. One letter is a word.

    Attributes:
        encoder: "hashing" needs no model: "<word>" and its trigrams of characters (Bojanowski et al., "Enriching Word
            Vectors with Subword Information", TACL 2017, section 3.2), hashed with signs into `dim` places,
            l2-normalised, so that inflections of a word lie near each other. "glove" looks words up in a file
            (Pennington, Socher and Manning, "GloVe", EMNLP 2014): a word that is not there is the zero vector; but a
            contraction that is not there is two words, as the tokenizer of Stanford that GloVe was trained with splits
            it ("do n't", "it 's"). "bert" and "roberta", a vector for each piece of a word, are handed in by the caller.
        checkpoint: of "glove", the file: on each line a word and `dim` numbers with single spaces between them, after
            word2vec's header or without one. Of the others, as the caller's encoder understands it.
        dim: the length of a vector; that of the file's vectors or of the language model's states.
        by_sentence: whether each sentence of a segment is a segment of its own, so that they can be told apart at the level
            "segments_frames". One ends at a full stop, or a mark like it, before a space. Words have no times of their own:
            each has the times of the whole.
    """

    version: ClassVar[int] = 1
    kind: ClassVar[str] = "words"

    encoder: Literal["hashing", "glove", "bert", "roberta"] = "hashing"
    dim: int = 300
    by_sentence: bool = False

    def segments(self, recording: Recording) -> tuple[Segment, ...]:
        kept = super().segments(recording)
        if not self.by_sentence:
            return kept
        return tuple(dataclasses.replace(one, text=text) for one in kept for text in sentences_of(one.text))

    def check_recordings(self, recordings: Sequence[Recording]) -> None:
        super().check_recordings(recordings)
        self.check_vectors()

    def check_vectors(self) -> None:
        """Raises ConfigError where word vectors are asked for whose file is not there."""
        if self.encoder == "glove" and not Path(self.checkpoint).expanduser().exists():
            raise ConfigError(
                f"checkpoint: {self.checkpoint}: no such file of word vectors, neither here nor in the data folder; give "
                "the path of GloVe's text file, as glove.6B.300d.txt"
            )

    def built_in(self) -> Mapping[str, Callable[[Iterable[str]], Encoder]]:
        return {"hashing": self._hashing, "glove": self._glove}

    def _hashing(self, texts: Iterable[str]) -> Encoder:
        from sklearn.feature_extraction.text import HashingVectorizer  # half a second that audio workers need not spend

        vectorizer = HashingVectorizer(n_features=self.dim, analyzer=_spelling, norm="l2", dtype=np.float32)
        words = _distinct_words(texts)
        vectors = vectorizer.transform(words).toarray() if words else ()
        return _lookup(dict(zip(words, vectors, strict=True)), self.dim)

    def _glove(self, texts: Iterable[str]) -> Encoder:
        path, words = Path(self.checkpoint).expanduser(), _distinct_words(texts)
        table = _read_vectors(path, self.dim, {form for word in words for form in (word, *_parts(word))})
        if words and not table:
            raise DataError(f"{path}: holds none of the {len(words)} words of the corpus; give vectors of its language")
        return _lookup(table, self.dim)


def words_of(text: str) -> list[str]:
    """The words of a text in order, lower-cased: "I don't, Ellie!" -> i, don't, ellie."""
    return _WORD.findall(text.lower().replace("’", "'"))


def sentences_of(text: str) -> list[str]:
    """The sentences of a text in order, each with its marks: "No. Never!" -> No., Never!; an empty text is one."""
    return _SENTENCE_END.split(text.strip())


def _distinct_words(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(word for text in texts for word in words_of(text)))


def _parts(word: str) -> tuple[str, ...]:
    """The two parts of a contraction ("don't": do, n't), or the word itself."""
    contraction = _CONTRACTION.fullmatch(word)
    return contraction.groups() if contraction else (word,)


def _lookup(table: Table, dim: int) -> Encoder:
    unknown = np.zeros(dim, np.float32)

    def vectors(text: str) -> Float32[np.ndarray, "words dim"]:
        forms = [form for word in words_of(text) for form in ((word,) if word in table else _parts(word))]
        return np.array([table.get(form, unknown) for form in forms], np.float32).reshape(-1, dim)

    return lambda texts: list(map(vectors, texts))


def _spelling(word: str) -> list[str]:
    framed = f"<{word}>"  # so that the word "her" is not the "her" in "where"
    return [framed, *(framed[start : start + 3] for start in range(len(framed) - 2))]


def _read_vectors(path: Path, dim: int, words: Collection[str]) -> Table:
    """The vectors of those of the words that the file holds. On other lines the values are counted, not read."""
    wanted = {word.encode(): word for word in words}
    table: dict[str, np.ndarray] = {}
    try:
        with path.open("rb") as file:  # as bytes: some words hold characters that end a line of text
            for number, line in enumerate(map(bytes.rstrip, file), start=1):
                if number == 1 and _HEADER.fullmatch(line):
                    continue
                if line.count(b" ") == dim and line[: line.index(b" ")] not in wanted:
                    continue  # nearly every line of millions; splitting them all takes minutes
                try:
                    word, vector = _entry(line, dim)
                except ValueError as error:
                    raise DataError(
                        f"{path}, line {number}: expected a word and {dim} numbers, found {error}; dim may be wrong"
                    ) from None
                if word in wanted:
                    table.setdefault(wanted[word], vector)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); checkpoint is a text file of vectors") from None
    return table


def _entry(line: bytes, dim: int) -> tuple[bytes, Float32[np.ndarray, " dim"]]:
    """The word and the vector on a line; read from the right, for some of GloVe's words contain spaces.

    Raises:
        ValueError: another number of numbers stands at the line's end; says how many, and behind what.
    """
    first, *rest = line.split(b" ")
    numbers = list(itertools.takewhile(lambda number: number is not None, map(_number, reversed(rest))))
    word = [first, *rest[: len(rest) - len(numbers)]]
    if len(numbers) != dim:
        raise ValueError(f"{len(numbers)} behind {word[-1][:40].decode(errors='replace')!r}")
    return b" ".join(word), np.array(numbers[::-1], np.float32)


def _number(text: bytes) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) <= _LARGEST else None  # neither infinite nor NaN
