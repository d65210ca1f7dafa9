"""CMU-MOSEI: people who speak to a camera, cut into clips that are rated for sentiment and six emotions.

Zadeh et al., "Multimodal Language Analysis in the Wild: CMU-MOSEI Dataset and Interpretable Dynamic Fusion Graph",
ACL 2018. The labels are a computational sequence (.csd, an HDF5 file) of the CMU Multimodal SDK.
"""

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import h5py
import numpy as np
from jaxtyping import Float64

from input_pipeline import audio
from input_pipeline.corpora.text_files import as_finding, is_apple_double, listing, read_text
from input_pipeline.errors import RuleError
from input_pipeline.recording import Corpus, Finding, Recording, Scanned, Segment

LABELS_FILE = "CMU_MOSEI_Labels.csd"
LABELS_ROOT = "All Labels"  # the computational sequence's name, and the HDF5 file's group
FOLDS_FILE = "standard_folds.json"
FOLDS = {"train": ("train",), "dev": ("valid", "dev"), "test": ("test",)}  # split -> its possible names in the file
WAVS = Path("Audio/Full/WAV_16000")
TRANSCRIPTS = Path("Transcript/Segmented/Combined")
SENTIMENT_RANGE = (-3.0, 3.0)
EMOTION_RANGE = (0.0, 3.0)
SCORES = {  # the label by column of the features, with its range
    "sentiment": SENTIMENT_RANGE,
    "emotion_happy": EMOTION_RANGE,
    "emotion_sad": EMOTION_RANGE,
    "emotion_anger": EMOTION_RANGE,
    "emotion_surprise": EMOTION_RANGE,
    "emotion_disgust": EMOTION_RANGE,
    "emotion_fear": EMOTION_RANGE,
}
MATCH_S = 0.05  # the csd holds the transcripts' times as float32; neighbouring rows are seconds apart
_ROUNDING = 1e-5  # of a mean of ratings as float32
_SEPARATOR = "___"
_MOST_BYTES = 1 << 20  # of a video's features: a tenth of it is twenty hours of clips
_DAMAGED = (OSError, RuntimeError, KeyError, ValueError, TypeError)  # what h5py raises over a file with wrong bytes


@dataclasses.dataclass(frozen=True)
class Clip:
    """A row of the labels: its place among its video's, seconds in the video, and the scores in the order of SCORES."""

    index: int
    start_s: float
    stop_s: float
    scores: tuple[float, ...]


@dataclasses.dataclass(frozen=True, order=True)
class Row:
    """A line of a transcript: seconds in the video, and the words; rows are ordered by time."""

    start_s: float
    stop_s: float
    words: str


@dataclasses.dataclass(frozen=True)
class Video:
    """A video in a fold: its labelled clips, and the files that tell of it."""

    name: str
    split: str
    clips: tuple[Clip, ...]
    labels: Path
    wav: Path
    transcript: Path


class CmuMosei(Corpus):
    """The reader of CMU-MOSEI: one recording a labelled clip, its audio the whole video's with the clip's times.

    In the corpus's folder lie `CMU_MOSEI_Labels.csd` (or one other .csd with the root "All Labels"), the folders of the
    raw distribution, `Audio/Full/WAV_16000/<video>.wav` and `Transcript/Segmented/Combined/<video>.txt`, and the SDK's
    standard folds, which it ships as Python, as `standard_folds.json`:

        {"train": ["<video>", ...], "valid": [...], "test": [...]}    ("dev" will do for "valid")

    A recording's id is the SDK's, "<video>[<k>]" with the clip's place k in the labels; the participant is the video.
    A clip has the words of the transcript's row whose start and end both are within `MATCH_S` of its own. All rows of
    the transcript, labelled or not, are the dialogue. Splits: train, dev, test. Clips of videos in none of them, without
    a score or with impossible times are left out and reported.

    Labels: the scores `sentiment` (-3..3) and `emotion_happy`, `emotion_sad`, `emotion_anger`, `emotion_surprise`,
    `emotion_disgust`, `emotion_fear` (0..3); and the binary sentiment in its two conventions: `sentiment_nonnegative`
    parts 0 and more from less, `sentiment_positive` more from less than 0 and is absent at 0.
    """

    name = "cmu_mosei"
    classes: Mapping[str, tuple[str, ...]] = {
        "sentiment_nonnegative": ("negative", "nonnegative"),
        "sentiment_positive": ("negative", "positive"),
    }
    scores = tuple(SCORES)
    stand_in = "input_pipeline.synthesis.cmu_mosei:synthesize_cmu_mosei"

    def scan(self) -> Iterator[Scanned]:
        """Every labelled clip, video by video in the order of their names; or why labels or folds cannot be read."""
        broken = []
        labels = self.root / LABELS_FILE
        videos: Mapping[str, tuple[Clip, ...] | RuleError] = {}
        folds: Mapping[str, str] = {}
        try:
            labels = _labels_file(self.root)
            videos = _read_labels(labels)
        except RuleError as error:
            broken.append(Scanned(LABELS_FILE, None, (as_finding(error),)))
        try:
            folds = _read_folds(self.root / FOLDS_FILE)
        except RuleError as error:
            broken.append(Scanned(FOLDS_FILE, None, (as_finding(error),)))
        yield from broken
        if broken:
            return
        for name, clips in videos.items():
            if isinstance(clips, RuleError):
                yield Scanned(name, None, (as_finding(clips),))
            elif name not in folds:
                what = f"video {name} stands in no fold; its {len(clips)} clips are left out"
                finding = Finding("applied", "video-without-fold", f"{self.root / FOLDS_FILE}: {what}", len(clips))
                yield Scanned(name, None, (finding,))
            else:
                wav, transcript = self.root / WAVS / f"{name}.wav", self.root / TRANSCRIPTS / f"{name}.txt"
                yield from _clips(Video(name, folds[name], clips, labels, wav, transcript))


def _clips(video: Video) -> Iterator[Scanned]:
    """Every clip of a video, or what is wrong with its audio and transcript."""
    errors = []
    rows: list[Row] = []
    duration_s = math.inf
    try:
        duration_s = audio.header(video.wav).duration_s
    except RuleError as error:
        errors.append(as_finding(error))
    try:
        rows, found = _read_transcript(video.transcript, video.name)
        errors += found
    except RuleError as error:
        errors.append(as_finding(error))
    if errors:
        yield Scanned(video.name, None, tuple(errors))
        return
    faults = {clip.index: _fault(video, clip, duration_s) for clip in video.clips}
    spoken = {
        clip.index: _match(clip, rows) or Row(clip.start_s, clip.stop_s, "")
        for clip in video.clips
        if faults[clip.index] is None
    }
    order = sorted({*rows, *spoken.values()})
    dialogue = tuple(row.words for row in order)
    for clip in video.clips:
        identifier = f"{video.name}[{clip.index}]"
        fault = faults[clip.index]
        if fault is not None:
            yield Scanned(identifier, None, (fault,))
            continue
        row = spoken[clip.index]
        stop_s = min(clip.stop_s, duration_s)
        recording = Recording(
            id=identifier,
            participant=video.name,
            split=video.split,
            segments=(Segment(clip.start_s, stop_s, text=row.words),),
            labels=_labels(clip),
            audio=video.wav,
            dialogue=dialogue,
            turn=order.index(row),
        )
        yield Scanned(identifier, recording, _applied(video, clip, row, duration_s))


def _fault(video: Video, clip: Clip, duration_s: float) -> Finding | None:
    """What keeps a clip from being a recording. The corpus has such clips, so that only a wrong score is an error."""
    where = f"{video.labels}: video {video.name}, clip {clip.index}"
    for (name, (low, high)), score in zip(SCORES.items(), clip.scores, strict=True):
        if math.isnan(score):
            return Finding("applied", "missing-score", f"{where}: {name} is NaN; left out", left_out=1)
        if not low - _ROUNDING <= score <= high + _ROUNDING:
            message = f"{where}: {name} is {score:g}, expected {low:g}..{high:g}; copy the file again"
            return Finding("error", "label-out-of-range", message)
    if not 0 <= clip.start_s < clip.stop_s < math.inf:
        message = f"{where}: goes from {clip.start_s:.3f} to {clip.stop_s:.3f} s; left out"
        return Finding("applied", "broken-times", message, left_out=1)
    if clip.start_s >= duration_s:
        what = f"clip {clip.index} starts at {clip.start_s:.3f} s, the audio ends at {duration_s:.3f} s; left out"
        return Finding("applied", "clip-past-audio", f"{video.wav}: {what}", left_out=1)
    return None


def _applied(video: Video, clip: Clip, row: Row, duration_s: float) -> tuple[Finding, ...]:
    """What a recording was made in spite of."""
    found = []
    if not row.words:
        what = f"no words from {clip.start_s:.3f} to {clip.stop_s:.3f} s; clip {clip.index} goes without"
        found.append(Finding("applied", "clip-without-words", f"{video.transcript}: {what}"))
    if clip.stop_s > duration_s:
        what = f"clip {clip.index} ends at {clip.stop_s:.3f} s, the audio at {duration_s:.3f} s; clipped"
        found.append(Finding("applied", "clip-past-audio", f"{video.wav}: {what}"))
    return tuple(found)


def _match(clip: Clip, rows: list[Row]) -> Row | None:
    def distance_s(row: Row) -> float:
        return max(abs(row.start_s - clip.start_s), abs(row.stop_s - clip.stop_s))

    nearest = min(rows, key=distance_s, default=None)
    return nearest if nearest is not None and distance_s(nearest) <= MATCH_S else None


def _labels(clip: Clip) -> dict[str, str | int | float]:
    labels: dict[str, str | int | float] = dict(zip(SCORES, clip.scores, strict=True))
    sentiment = clip.scores[0]
    labels["sentiment_nonnegative"] = "nonnegative" if sentiment >= 0 else "negative"
    if sentiment != 0:
        labels["sentiment_positive"] = "positive" if sentiment > 0 else "negative"
    return labels


def _read_transcript(path: Path, video: str) -> tuple[list[Row], list[Finding]]:
    """The rows, and an error for each line that is none.

    Raises:
        RuleError: as `text_files.read_text`.
    """
    rows, errors = [], []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            rows.append(_row(line.strip(), video))
        except ValueError as error:
            errors.append(
                Finding("error", "broken-transcript-row", f"{path}, line {number}: {error}; correct the line")
            )
    return rows, errors


def _row(line: str, video: str) -> Row:
    """Raises ValueError, which says what is wrong with the line."""
    prefix = f"{video}{_SEPARATOR}"  # cut off first: a video's name may end in an underscore
    cells = line.removeprefix(prefix).split(_SEPARATOR, 3)
    if not line.startswith(prefix) or len(cells) != 4:
        wanted = _SEPARATOR.join((video, "segment", "start", "end", "text"))
        raise ValueError(f"{line[:60]!r} is not of the form {wanted}")
    try:
        start_s, stop_s = float(cells[1]), float(cells[2])
    except ValueError:
        start_s = stop_s = math.nan
    if not (math.isfinite(start_s) and math.isfinite(stop_s)):
        raise ValueError(f"start {cells[1]!r} and end {cells[2]!r} are not seconds as numbers")
    return Row(start_s, stop_s, " ".join(cells[3].split()))


def _read_folds(path: Path) -> dict[str, str]:
    """The split of each video.

    Raises:
        RuleError: as `text_files.read_text`; broken-json, broken-folds, participant-in-two-splits.
    """
    form = '{"train": ["<video>", ...], "valid": [...], "test": [...]}'
    if not path.is_file():
        what = f"write the standard folds of the CMU Multimodal SDK there, as {form}"
        raise RuleError("missing-file", f"{path}: no such file; {what}")
    try:
        found = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise RuleError("broken-json", f"{path}: not JSON ({error}); expected is {form}") from None
    splits: dict[str, str] = {}
    for split, names in FOLDS.items():
        given = [name for name in names if isinstance(found, dict) and name in found]
        videos = found[given[0]] if len(given) == 1 else None
        if not isinstance(videos, list) or not all(isinstance(video, str) for video in videos):
            what = f"no single list of videos by the name {' or '.join(names)}"
            raise RuleError("broken-folds", f"{path}: {what}; expected is {form}")
        for video in videos:
            if splits.setdefault(video, split) != split:
                what = f"video {video} stands in {splits[video]} and in {split}"
                raise RuleError("participant-in-two-splits", f"{path}: {what}; remove it from one")
    return splits


def _labels_file(root: Path) -> Path:
    """The csd of the labels: the one of the usual name, else the only one, else the only one with the labels' root.

    Raises:
        RuleError: missing-file, unreadable-folder.
    """
    usual = root / LABELS_FILE
    others = [path for path in listing(root) if path.suffix == ".csd" and not is_apple_double(path)]
    if usual.is_file() or not others:
        return usual
    found = others if len(others) == 1 else [path for path in others if _has_labels(path)]
    if len(found) != 1:
        what = f"{len(found)} of {', '.join(path.name for path in others)} have the root {LABELS_ROOT!r}, expected one"
        raise RuleError("missing-file", f"{usual}: no such file, and {what}; name the labels so")
    return found[0]


def _has_labels(path: Path) -> bool:
    try:
        with h5py.File(path) as file:
            return LABELS_ROOT in file
    except _DAMAGED:
        return False


def _read_labels(path: Path) -> dict[str, tuple[Clip, ...] | RuleError]:
    """The clips of each video in the order of the labels, or what is wrong with them; videos in the order of names.

    Raises:
        RuleError: missing-file, broken-csd.
    """
    if not path.is_file():
        raise RuleError("missing-file", f"{path}: no such file; restore it from the corpus's archive")
    try:
        with h5py.File(path) as file:
            root = file.get(LABELS_ROOT)
            data = root.get("data") if isinstance(root, h5py.Group) else None
            if not isinstance(data, h5py.Group) or not len(data):
                what = f"no group {LABELS_ROOT}/data with videos (found at the root: {', '.join(map(str, file)) or 'nothing'})"
                raise RuleError("broken-csd", f"{path}: {what}; copy the labels' file again")
            return {video: _labelled(path, video, data[video]) for video in sorted(data)}
    except _DAMAGED as error:
        reason = " ".join(str(error).split())
        raise RuleError("broken-csd", f"{path}: cannot be read as HDF5 ({reason}); copy the file again") from None


def _labelled(path: Path, video: str, group: h5py.Group) -> tuple[Clip, ...] | RuleError:
    try:
        scores = _array(path, f"{video}/features", group, len(SCORES))
        times_s = _array(path, f"{video}/intervals", group, 2)
        if len(scores) != len(times_s):
            what = f"video {video}: {len(scores)} rows of features, {len(times_s)} of intervals"
            raise RuleError("broken-csd", f"{path}: {what}; copy the labels' file again")
    except RuleError as error:
        return error
    return tuple(
        Clip(index, float(times[0]), float(times[1]), tuple(map(float, row)))
        for index, (times, row) in enumerate(zip(times_s, scores, strict=True))
    )


def _array(path: Path, name: str, group: h5py.Group, columns: int) -> Float64[np.ndarray, "rows columns"]:
    """A dataset of plain numbers; no other kind is read, so that nothing in the file is ever unpickled."""
    dataset = group.get(name.rpartition("/")[2]) if isinstance(group, h5py.Group) else None
    where = f"{path}: {LABELS_ROOT}/data/{name}"
    if not isinstance(dataset, h5py.Dataset):
        raise RuleError("broken-csd", f"{where}: no such dataset; copy the labels' file again")
    if dataset.dtype.kind not in "fiu":
        raise RuleError(
            "broken-csd", f"{where}: of type {dataset.dtype}, expected numbers; copy the labels' file again"
        )
    if dataset.ndim != 2 or dataset.shape[1] != columns:
        what = f"of shape {dataset.shape}, expected (rows, {columns})"
        raise RuleError("broken-csd", f"{where}: {what}; copy the labels' file again")
    if dataset.nbytes > _MOST_BYTES or (dataset.chunks is None and dataset.nbytes > path.stat().st_size):
        what = f"declares {dataset.nbytes} bytes, in a file of {path.stat().st_size}"
        raise RuleError("broken-csd", f"{where}: {what}; copy the labels' file again")
    return dataset[()].astype(np.float64)
