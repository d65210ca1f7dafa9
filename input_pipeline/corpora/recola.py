"""RECOLA: people who solve a task together over a video call, in French, rated for arousal and valence all the time.

Ringeval et al., "Introducing the RECOLA multimodal corpus of remote collaborative and affective interactions", 2013.
"""

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from input_pipeline import audio
from input_pipeline.corpora.recola_ratings import STEP_S, read_gold_standard, read_raters
from input_pipeline.corpora.text_files import as_finding, is_apple_double, listing
from input_pipeline.errors import DataError, RuleError
from input_pipeline.recording import Corpus, Finding, Recording, Scanned, Segment

DIMENSIONS = ("arousal", "valence")
WINDOW_S, HOP_S = 2.5, 0.5  # EmoAudioNet, section III.A.3: "a windowing function of 2.5s at fixed intervals of 500 ms"
_STEP_MS, _WINDOW_MS, _HOP_MS = round(1000 * STEP_S), round(1000 * WINDOW_S), round(1000 * HOP_S)
_ROUNDING_S = 1e-6  # far below one audio sample

Track = Float64[np.ndarray, " rows"]


@dataclasses.dataclass(frozen=True)
class Distribution:
    """Where a distribution keeps what is known of a participant.

    Attributes:
        audio: the folder of the waveforms.
        ratings: the folder that holds one a dimension.
        suffix: of the files of ratings.
        name: what waveforms and ratings are called; its group `split`, if it has one, is the corpus's own.
        read: the ratings of one dimension.
    """

    audio: Path
    ratings: Path
    suffix: str
    name: re.Pattern[str]
    read: Callable[[Path], Track]


ORIGINAL = Distribution(
    audio=Path("RECOLA-Audio-recordings"),
    ratings=Path("RECOLA-Annotation/emotional_behaviour"),
    suffix=".csv",
    name=re.compile(r"(?P<prefix>P)(?P<number>[0-9]{1,6})"),
    read=read_raters,
)
AVEC_2016 = Distribution(
    audio=Path("recordings_audio"),
    ratings=Path("ratings_gold_standard"),
    suffix=".arff",
    name=re.compile(r"(?P<prefix>(?P<split>train|dev|test)_)(?P<number>[0-9]{1,6})"),
    read=read_gold_standard,
)


class Recola(Corpus):
    """The reader of RECOLA, as its authors distribute it or as the challenge AVEC 2016 did, by the folders there.

    EmoAudioNet decides on windows of 2.5 s every 0.5 s, so a recording is such a window: a stretch of the participant's
    waveform, with the id "P16_0042" (the 43rd window of P16). What neither ratings nor waveform cover whole is no
    window. Windows of a participant overlap, and never stand in two splits.

    The original has the six raters, of whom each row's mean is taken, and no split; AVEC 2016 has a gold standard and
    the splits train, dev and test, of which test comes without ratings.

    Labels, of the mean rating over a window: the scores `arousal` and `valence`, -1..1.
    """

    name = "recola"
    classes: Mapping[str, tuple[str, ...]] = {}
    scores = DIMENSIONS
    stand_in = "input_pipeline.synthesis.recola:synthesize_recola"

    def __init__(self, root: Path):
        """Raises DataError where `root` is no folder, or holds neither distribution or both."""
        super().__init__(root)
        found = [
            one
            for one in (ORIGINAL, AVEC_2016)
            if any((root / part.parts[0]).is_dir() for part in (one.audio, one.ratings))
        ]
        if len(found) != 1:
            folders = " or ".join(f"{one.audio} and {one.ratings}" for one in (ORIGINAL, AVEC_2016))
            what = "holds both distributions, whose participants are the same" if found else "holds no distribution"
            raise DataError(f"{root}: {what}; leave in it either {folders}")
        (self.distribution,) = found

    def scan(self) -> Iterator[Scanned]:
        """Every window, participant by participant; first, what is noticed about the folders."""
        folders = [self.root / self.distribution.audio, *map(self._ratings, DIMENSIONS)]
        missing = [folder for folder in folders if not folder.is_dir()]
        if missing:
            message = f"{missing[0]}: no such folder; unpack the corpus again"
            yield Scanned(self.name, None, (Finding("error", "missing-folder", message),))
            return
        try:
            paths = [path for folder in folders for path in listing(folder)]
        except RuleError as error:
            yield Scanned(self.name, None, (as_finding(error),))
            return
        named = {path: self.distribution.name.fullmatch(path.stem) for path in paths if self._is_of_the_corpus(path)}
        names = {match[0]: match for match in named.values() if match}
        if findings := _noticed(self.root, [path for path in paths if not named.get(path)]):
            yield Scanned(self.name, None, findings)
        if not names:
            message = f"{folders[0]}: holds no waveform of a participant; unpack the corpus again"
            yield Scanned(self.name, None, (Finding("error", "empty-corpus", message),))
        for name in sorted(names, key=lambda one: (names[one]["prefix"], int(names[one]["number"]), one)):
            yield from self._participant(name, names[name].groupdict().get("split", ""))

    def remedy(self, split: str) -> str:
        """The challenge kept the ratings of its test split."""
        without = self.distribution is AVEC_2016 and split == "test"
        return (
            f"AVEC 2016 gave out no ratings of it; test on dev, or put them in {self._ratings('')}" if without else ""
        )

    def _ratings(self, dimension: str) -> Path:
        return self.root / self.distribution.ratings / dimension

    def _is_of_the_corpus(self, path: Path) -> bool:
        suffix = ".wav" if path.parent == self.root / self.distribution.audio else self.distribution.suffix
        return path.suffix == suffix

    def _participant(self, name: str, split: str) -> Iterator[Scanned]:
        """The windows of a participant, or everything that keeps them from being read."""
        wav = self.root / self.distribution.audio / f"{name}.wav"
        errors: list[Finding] = []
        duration_s = 0.0
        try:
            duration_s = audio.header(wav).duration_s
        except RuleError as error:
            errors.append(as_finding(error))
        tracks = self._tracks(name, split, errors)
        rated_s = min((STEP_S * (len(track) - 1) for track in tracks.values()), default=duration_s)
        count = _windows_in(min(duration_s, rated_s))
        if not errors and count < 1:
            what = f"{duration_s:.2f} s, rated up to {rated_s:.2f} s, is shorter than a window of {WINDOW_S:g} s"
            errors.append(Finding("error", "too-short", f"{wav}: {what}; restore waveform and ratings"))
        if errors:
            yield Scanned(name, None, tuple(errors))
            return
        if findings := _uncovered(wav, duration_s, rated_s, count):
            yield Scanned(name, None, findings)
        for window in range(count):
            yield _window(name, split, wav, tracks, window)

    def _tracks(self, name: str, split: str, errors: list[Finding]) -> dict[str, Track]:
        """The ratings by dimension, none of a test split that has none; `errors` gets what is wrong with them."""
        paths = {dimension: self._ratings(dimension) / f"{name}{self.distribution.suffix}" for dimension in DIMENSIONS}
        lost = [path for path in paths.values() if not path.is_file()]
        if len(lost) == len(paths) and split == "test":
            return {}
        tracks = {}
        for dimension, path in paths.items():
            try:
                if path in lost:
                    kept = "" if len(lost) == len(paths) else ", though there are those of the other dimension"
                    rule = "missing-dimension" if kept else "missing-ratings"
                    raise RuleError(rule, f"{path}: no such file of ratings{kept}; restore it")
                tracks[dimension] = self.distribution.read(path)
            except RuleError as error:
                errors.append(as_finding(error))
        if len(rows := {len(track) for track in tracks.values()}) > 1:
            counts = " and ".join(f"{len(track)} rows of {dimension}" for dimension, track in tracks.items())
            message = f"{paths[DIMENSIONS[0]]}: {counts}, expected {max(rows)} of both; restore the shorter file"
            errors.append(Finding("error", "wrong-row-count", message))
        return tracks


def _windows_in(duration_s: float) -> int:
    """How many windows lie in so many seconds; 0 or less where not one does."""
    return int((duration_s - WINDOW_S + _ROUNDING_S) // HOP_S) + 1


def _window(name: str, split: str, wav: Path, tracks: Mapping[str, Track], window: int) -> Scanned:
    start_ms = window * _HOP_MS
    rows = slice(
        -(-start_ms // _STEP_MS), -(-(start_ms + _WINDOW_MS) // _STEP_MS)
    )  # from its start on, before its stop
    start_s = start_ms / 1000
    recording = Recording(
        id=f"{name}_{window:04}",
        participant=name,
        split=split,
        segments=(Segment(start_s, start_s + WINDOW_S),),
        labels={dimension: float(track[rows].mean()) for dimension, track in tracks.items()},
        audio=wav,
    )
    return Scanned(recording.id, recording)


def _uncovered(wav: Path, duration_s: float, rated_s: float, count: int) -> tuple[Finding, ...]:
    """The windows that only the waveform or only the ratings have."""
    found = []
    for rule, longer, whole_s, shorter, end_s in (
        ("ratings-past-audio", "ratings", rated_s, "waveform", duration_s),
        ("audio-past-ratings", "waveform", duration_s, "ratings", rated_s),
    ):
        lost = _windows_in(whole_s) - count
        if lost:
            what = f"the {longer} end at {whole_s:.2f} s, the {shorter} at {end_s:.2f} s; {lost} windows are left out"
            found.append(Finding("applied", rule, f"{wav}: {what}", lost))
    return tuple(found)


def _noticed(root: Path, others: list[Path]) -> tuple[Finding, ...]:
    """What lies among the files and is none of them."""
    found = []
    if companions := sum(map(is_apple_double, others)):
        found.append(Finding("applied", "apple-double", f"{root}: {companions} `._` entries of macOS ignored"))
    strays = [path for path in others if not path.name.startswith(".")]
    if strays:
        what = f"{len(strays)} entries are called as no participant is ({strays[0]} is the first)"
        found.append(Finding("warning", "stray-file", f"{root}: {what}; rename or remove them"))
    return tuple(found)
