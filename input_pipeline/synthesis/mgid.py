"""Writes a small stand-in for MGID in the very layout of the original, every word and picture of it made up.

Half of the rows are depressed, and emotions have the shares of the original, where the class "depressed" is of such rows
alone. Each label has a cue in the words and one in the picture (see `mgid_posts`), which is right more often than not.
In some rows the words tell nothing and the picture decides, in some it is the other way round: neither modality has all
that both have. With `defects` the splits have those of the original: addresses and texts that stand in train and test,
and no row of the emotion "depressed" in test. Differences from the original, beside the sizes: the pictures are shapes,
and the texts short.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from input_pipeline.synthesis.mgid_posts import BRIGHTNESS, HUES, Cues, Words, address, draw_picture, draw_words
from input_pipeline.synthesis.publication import publish
from input_pipeline.synthesis.writing import check, marker_of, write_csv

VERSION = 1  # of the generator: another one writes other bytes
FEWEST, MOST = 40, 20_000
SPLITS = {"train": 0.7, "dev": 0.1, "test": 0.2}
HEADER = ("Depression Label", "Emotion Label", "Title", "Text", "Image URL")
EMOTIONS = {  # their shares among the depressed, and among the others; together they are those of the paper's Table I
    True: {"neutral": 0.1, "happiness": 0.0, "fear": 0.12, "surprise": 0.02, "depressed": 0.66, "anger": 0.1},
    False: {"neutral": 0.44, "happiness": 0.2, "fear": 0.08, "surprise": 0.18, "depressed": 0.0, "anger": 0.1},
}
CASES = {"both tell": 0.4, "the picture decides": 0.3, "the words decide": 0.3}
STRENGTH = 3.0  # log odds of a right cue for depression; of one for emotion against any one wrong cue it is this too
EMPTY_TEXTS = 0.257
SHARED_URLS, SHARED_TEXTS = 16 / 5000, 32 / 5000  # of all rows: stand in train and test
_SILENT = Cues(None, None)

Modality = Literal["text", "image", "both"]


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of the tables; `shown` are the cues of its picture, whose address and file's name the others are."""

    depressed: bool
    emotion: str
    words: Words
    shown: Cues
    url: str
    file: str

    @property
    def cells(self) -> tuple[str, ...]:
        """As they stand below `HEADER`."""
        return str(self.depressed).upper(), self.emotion, *self.words, self.url


def synthesize_mgid(
    data_dir: Path | str,
    *,
    sessions: int = 300,
    seed: int = 0,
    effect: float = 1.0,
    defects: bool = True,
    workers: int | None = None,
    overwrite: bool = False,
) -> Path:
    """Writes `data_dir/mgid` and returns that folder; one with the same parameters is left as it is.

    Args:
        sessions: rows.
        seed: the same seed gives the same bytes on the same machine.
        effect: how often cues are right; 0: as often as by chance.
        defects: whether the splits have the defects of the original.
        workers: as the other stand-ins have it; words and shapes take one process a moment.

    Raises:
        DataError: an option out of its range, or a folder that must not be replaced (see `publish`).
    """
    check(sessions, FEWEST, MOST, seed, why="three splits, six emotions", effect=effect)
    parameters = {"sessions": sessions, "seed": seed, "effect": float(effect), "defects": defects}
    root = Path(data_dir) / "mgid"

    def write(folder: Path) -> None:
        rng = np.random.default_rng([seed, 0])
        splits = _draw_splits(sessions, effect, defects, rng)
        if defects:
            _share(splits["train"], splits["test"], sessions)
        for split, rows in splits.items():
            (folder / split).mkdir()
            write_csv(folder / split / f"{split}.csv", HEADER, (row.cells for row in rows), "utf-8-sig")
        whole = [row for rows in splits.values() for row in rows]
        write_csv(folder / "dataset.csv", HEADER, (row.cells for row in whole), "utf-8-sig")
        (folder / "images").mkdir()
        for file, row in {row.file: row for row in reversed(whole)}.items():
            draw_picture(row.shown, rng).save(folder / "images" / file, quality=90)

    publish(root, marker_of("mgid", VERSION, parameters, **planted(effect)), write, overwrite)
    return root


def planted(effect: float) -> dict[str, Any]:
    """What a marker file says of the effect, and of the best accuracy that it allows."""
    modalities: tuple[Modality, ...] = ("text", "image", "both")
    return {
        "synthetic": "every word, picture and label here is made up; nobody wrote or photographed any of it",
        "planted_cases": CASES,
        "planted_probability_of_a_right_cue": {"depressed": _right(2, effect), "emotion": _right(len(HUES), effect)},
        "planted_brightness_of_the_background": {str(label): ends for label, ends in BRIGHTNESS.items()},
        "planted_hues_of_the_shape_in_degrees": HUES,
        "bayes_accuracy": {
            task: {modality: round(bayes_accuracy(effect, task, modality), 3) for modality in modalities}
            for task in ("depressed", "emotion")
        },
    }


def bayes_accuracy(effect: float, task: str, modality: Modality) -> float:
    """The accuracy of the Bayes rule that sees the cues of a modality themselves, for the labels' shares without defects."""
    likely: dict[tuple[Cues, ...], dict[object, float]] = {}
    for depressed, emotion in itertools.product(EMOTIONS, HUES):
        prior = 0.5 * EMOTIONS[depressed][emotion]
        heard = {
            cues: _probability(cues, depressed, emotion, effect) for cues in itertools.product((True, False), HUES)
        }
        for said, shown, share in _observations(heard):
            seen = {"text": (said,), "image": (shown,), "both": (said, shown)}[modality]
            label = depressed if task == "depressed" else emotion
            of_seen = likely.setdefault(seen, {})
            of_seen[label] = of_seen.get(label, 0.0) + prior * share
    return sum(max(of_label.values()) for of_label in likely.values())


def _observations(heard: Mapping[tuple[bool, str], float]) -> Iterator[tuple[Cues, Cues, float]]:
    """What words and picture say, and how likely that is, where each cue that is there has the probability in `heard`."""
    both, by_picture, by_words = CASES.values()
    for one, share in heard.items():
        yield _SILENT, Cues(*one), by_picture * share
        yield Cues(*one), _SILENT, by_words * share
        for other, also in heard.items():
            yield Cues(*one), Cues(*other), both * share * also


def _probability(cues: tuple[bool, str], depressed: bool, emotion: str, effect: float) -> float:
    of_depression, of_emotion = _right(2, effect), _right(len(HUES), effect)
    return (of_depression if cues[0] == depressed else 1 - of_depression) * (
        of_emotion if cues[1] == emotion else (1 - of_emotion) / (len(HUES) - 1)
    )


def _right(classes: int, effect: float) -> float:
    """The probability that a cue is right, of a label with so many classes; by chance where there is no effect."""
    return float(1 / (1 + (classes - 1) * np.exp(-STRENGTH * effect)))


def _draw_splits(sessions: int, effect: float, defects: bool, rng: np.random.Generator) -> dict[str, list[Row]]:
    """The rows by split, in an order that says nothing; no two share a picture or a text."""
    ends = np.rint(np.cumsum(list(SPLITS.values())) * sessions).astype(int)
    numbers = iter(rng.choice(10**9, size=sessions, replace=False).tolist())
    used: set[Words] = set()
    splits = {}
    for split, size in zip(SPLITS, np.diff(ends, prepend=0), strict=True):
        labels = _labels(int(size), without_depressed=defects and split == "test")
        drawn = [labels[index] for index in rng.permutation(len(labels))]
        splits[split] = [_row(depressed, emotion, next(numbers), effect, used, rng) for depressed, emotion in drawn]
    return splits


def _labels(size: int, without_depressed: bool) -> list[tuple[bool, str]]:
    """So many pairs of labels, in the shares of `EMOTIONS`; of each emotion as many as it has up to less than one."""
    pairs = [(depressed, emotion) for emotion in HUES for depressed in EMOTIONS]
    shares = np.array([EMOTIONS[depressed][emotion] for depressed, emotion in pairs])
    if without_depressed:
        of_depressed = np.array([depressed for depressed, _ in pairs])
        shares[pairs.index((True, "depressed"))] = 0.0
        shares[of_depressed] /= shares[of_depressed].sum()
    ends = np.rint(np.cumsum(shares / 2) * size).astype(int)
    return [pair for pair, count in zip(pairs, np.diff(ends, prepend=0), strict=True) for _ in range(count)]


def _row(depressed: bool, emotion: str, number: int, effect: float, used: set[Words], rng: np.random.Generator) -> Row:
    case = rng.choice(list(CASES), p=list(CASES.values()))
    said, shown = _cues(depressed, emotion, effect, rng), _cues(depressed, emotion, effect, rng)
    said, shown = (
        (_SILENT if case == "the picture decides" else said),
        (_SILENT if case == "the words decide" else shown),
    )
    with_text = bool(rng.random() >= EMPTY_TEXTS)
    while (words := draw_words(said, with_text, rng)) in used:
        pass
    used.add(words)
    return Row(depressed, emotion, words, shown, *address(number, rng))


def _cues(depressed: bool, emotion: str, effect: float, rng: np.random.Generator) -> Cues:
    wrong = [name for name in HUES if name != emotion]
    is_right = rng.random() < _right(2, effect), rng.random() < _right(len(HUES), effect)
    return Cues(depressed if is_right[0] else not depressed, emotion if is_right[1] else str(rng.choice(wrong)))


def _share(train: list[Row], test: list[Row], sessions: int) -> None:
    """Gives some rows of test the picture, and some others the text, of a row of train with the same labels."""
    free = list(train)
    pictures, texts = (max(1, round(share * sessions)) for share in (SHARED_URLS, SHARED_TEXTS))
    for place, row in enumerate(test):
        alike = [one for one in free if (one.depressed, one.emotion) == (row.depressed, row.emotion)]
        with_text = [one for one in alike if one.words.text]
        if pictures and alike:
            one, pictures = alike[0], pictures - 1
            test[place] = dataclasses.replace(row, url=one.url, file=one.file, shown=one.shown)
        elif texts and with_text:
            one, texts = with_text[0], texts - 1
            test[place] = dataclasses.replace(row, words=one.words)
        else:
            continue
        free.remove(one)
