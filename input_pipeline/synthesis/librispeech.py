"""Writes a small stand-in for LibriSpeech in the very layout of the original, every sound and word of it synthetic.

As many women as men read, in each of three subsets. What parts them is the median pitch and the length of the vocal
tract; all else about a voice, the microphone and the room is drawn alike. Differences from the original, beside the
sizes: nobody reads a book, but each says what the interviews' participants say; and BOOKS.TXT, CHAPTERS.TXT and the
licence are not there.
"""

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from input_pipeline.synthesis import wording
from input_pipeline.synthesis.emotion import CENTRE, draw_expression
from input_pipeline.synthesis.publication import publish
from input_pipeline.synthesis.session import ANATOMY, draw_voice
from input_pipeline.synthesis.speaker import Speaker, draw_speaker_of
from input_pipeline.synthesis.voice import RATE_HZ, Voice
from input_pipeline.synthesis.writing import check, marker_of, write_all

VERSION = 1  # of the generator: another one writes other bytes
SUBSETS = ("train-clean-100", "train-clean-100", "dev-clean", "test-clean")  # of a woman and a man each, in turns
FEWEST, MOST = 2 * len(SUBSETS), 2000
CHAPTERS = 2  # of a reader, where there are as many utterances
_IDS = 9000  # the readers' are below, the chapters' above
_LAST_CHAPTER = 200_000
_NEGATIVE, _FIRST_PERSON = 0.3, 0.5  # shares of clauses, the same for everybody


@dataclasses.dataclass(frozen=True)
class Reader:
    """Who reads: a place in the list, which decides the voice, and what stands there."""

    place: int
    id: int
    female: bool
    subset: str
    chapters: tuple[int, ...]


def synthesize_librispeech(
    data_dir: Path | str,
    *,
    sessions: int = 40,
    seed: int = 0,
    effect: float = 1.0,
    turns: int = 6,
    workers: int | None = None,
    overwrite: bool = False,
) -> Path:
    """Writes `data_dir/librispeech` and returns that folder; one with the same parameters is left as it is.

    Args:
        sessions: readers; of an odd number one more is a woman.
        seed: the same seed gives the same bytes on the same machine, however many workers write.
        effect: how far apart women's and men's median pitches and formants are, as a power of the ratio that people
            have; 0: both have those between.
        turns: utterances a reader.
        workers: processes; None is one a core.

    Raises:
        DataError: an option out of its range, or a folder that must not be replaced (see `publish`).
    """
    check(sessions, FEWEST, MOST, seed, why="three subsets with both genders", turns=turns, effect=effect)
    parameters: dict[str, Any] = {"sessions": sessions, "seed": seed, "effect": float(effect), "turns": turns}
    root = Path(data_dir) / "librispeech"
    readers = _readers(sessions, min(turns, CHAPTERS), seed)

    def write(folder: Path) -> None:
        corpus = folder / "LibriSpeech"
        for reader in readers:
            for chapter in reader.chapters:
                _folder(corpus, reader, chapter).mkdir(parents=True)
        write_all(partial(_write_reader, corpus, turns, effect, seed), readers, workers, root, "readers")
        (corpus / "SPEAKERS.TXT").write_bytes(_list_of(readers, corpus).encode())

    anatomy = {
        name: dict(zip(("pitch_hz", "formant_scale"), _anatomy(female, effect), strict=True))
        for name, female in (("female", True), ("male", False))
    }
    publish(root, marker_of("librispeech", VERSION, parameters, planted_medians=anatomy), write, overwrite)
    return root


def _readers(count: int, chapters: int, seed: int) -> list[Reader]:
    """The readers in the order of their ids, pairs of a woman and a man going to the subsets in turns."""
    rng = np.random.default_rng([seed, 0])
    ids = sorted(rng.choice(np.arange(10, _IDS), count, replace=False).tolist())
    numbers = rng.choice(np.arange(_IDS, _LAST_CHAPTER), (count, chapters), replace=False).tolist()
    return [
        Reader(place, ids[place], place % 2 == 0, SUBSETS[place // 2 % len(SUBSETS)], tuple(sorted(numbers[place])))
        for place in range(count)
    ]


def _folder(corpus: Path, reader: Reader, chapter: int) -> Path:
    return corpus / reader.subset / str(reader.id) / str(chapter)


def _write_reader(corpus: Path, turns: int, effect: float, seed: int, reader: Reader) -> None:
    """The reader's chapters: waveforms and transcripts."""
    rng = np.random.default_rng([seed, 1, reader.place])
    speaker = draw_speaker_of(_voice(reader.female, effect, rng), rng)
    agenda = wording.agenda(turns, rng)
    for chapter, topics in zip(reader.chapters, np.array_split(np.arange(turns), len(reader.chapters)), strict=True):
        folder, lines = _folder(corpus, reader, chapter), []
        for number, topic in enumerate(topics):
            clauses = wording.answer(agenda[topic][0], _NEGATIVE, _FIRST_PERSON, rng)
            utterance = f"{reader.id}-{chapter}-{number:04}"
            soundfile.write(folder / f"{utterance}.flac", _read(speaker, clauses, rng), RATE_HZ, subtype="PCM_16")
            lines.append(f"{utterance} {' '.join(word for clause in clauses for word in clause).upper()}\n")
        (folder / f"{reader.id}-{chapter}.trans.txt").write_bytes("".join(lines).encode())


def _read(speaker: Speaker, clauses: list[list[str]], rng: np.random.Generator) -> np.ndarray:
    return speaker.say(clauses, draw_expression(CENTRE, 0.0, rng), rng)


def _voice(female: bool, effect: float, rng: np.random.Generator) -> Voice:
    """A voice whose medians are those of `_anatomy`, and whose deviation from them is as people have it."""
    voice = draw_voice(female, rng)
    (pitch_hz, scale), (own_hz, own_scale) = _anatomy(female, effect), ANATOMY[female]
    return dataclasses.replace(
        voice, pitch_hz=voice.pitch_hz * pitch_hz / own_hz, formant_scale=voice.formant_scale * scale / own_scale
    )


def _anatomy(female: bool, effect: float) -> tuple[float, float]:
    """Median pitch in Hz and formant scale: as far from the geometric mean of both genders as `effect` has it."""
    of_gender, of_both = np.log(ANATOMY[female]), np.log(list(ANATOMY.values())).mean(axis=0)
    pitch_hz, scale = np.exp(of_both + effect * (of_gender - of_both)).tolist()
    return pitch_hz, scale


def _list_of(readers: list[Reader], corpus: Path) -> str:
    """SPEAKERS.TXT; the first name holds the separator, as one of the original's does."""
    lines = [
        "; Synthetic readers: every voice, word and name here is made up\n",
        ";ID  |SEX| SUBSET           |MINUTES| NAME\n",
    ]
    for reader in readers:
        files = sorted((corpus / reader.subset / str(reader.id)).glob("*/*.flac"))
        minutes = sum(soundfile.info(str(path)).duration for path in files) / 60
        name = f"{'|S|' if reader is readers[0] else ''}Synthetic Reader {reader.place + 1}"
        lines.append(f"{reader.id:<5}| {'FM'[not reader.female]} | {reader.subset:<17}| {minutes:<5.2f} | {name}\n")
    return "".join(lines)
