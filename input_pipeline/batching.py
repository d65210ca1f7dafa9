"""From features to padded arrays: `read` the shards, `arrange` what they hold into `Examples`.

Shards are read through tf.data where TensorFlow is installed. Padding and buckets are numpy everywhere: a whole feature
set is meant to lie on the device, so that the batches of every seed are gathered there, and one masked assignment a
bucket pads it, with no second path to keep equal.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int32, Shaped

from input_pipeline.builder import Description, label_value
from input_pipeline.config import Config, ConfigError
from input_pipeline.errors import DataError
from input_pipeline.reading import FeatureSet, Stored, read

__all__ = [
    "MISSING_CLASS",
    "Arrangement",
    "Bucket",
    "Examples",
    "FeatureSet",
    "Padded",
    "Stored",
    "aligned",
    "arrange",
    "read",
]

MISSING_CLASS = -1


@dataclasses.dataclass
class Arrangement(Config):
    """How a recording's frames become an example. N examples, U segments, T frames, W frames a window, D dimensions.

    Attributes:
        level: "segments": [N, U, D], one vector a segment, the mean over its frames. "frames": [N, T, D], all frames of
            a recording one after another. "segments_frames": [N, U, T, D]. "windows": [N', W, D], every window of the
            frames one after another is an example of its own, and the examples of a recording are one group. Windows
            are of equally many frames (`window_frames`), or of whole segments (`window_s`); only the latter fit together
            between features.
        max_segments: of a recording with more segments, so many are kept, evenly spaced from first to last (0: all).
            This comes first, at every level.
        max_frames: of more frames, the first so many are kept (0: all): of the recording ("frames", or windows of
            frames), of each segment ("segments_frames"), of each window of segments.
        window_frames: W. The last window is moved back so that it ends with the recording; a recording shorter than one
            window gives one, padded.
        hop_frames: frames from the start of one window to that of the next (0: W).
        window_s: seconds of speech. The recording is divided between segments into windows of about equally much speech,
            as near to this as that allows; a segment belongs where its middle lies, and none is divided.
        buckets: in how many groups of about equal size and of like length the examples are padded, each to its own
            longest; equal lengths share a bucket, so there may be fewer.
    """

    level: Literal["segments", "frames", "segments_frames", "windows"] = "segments"
    max_segments: int = 0
    max_frames: int = 0
    window_frames: int = 0
    hop_frames: int = 0
    window_s: float = 0.0
    buckets: int = 1

    @property
    def layout(self) -> Literal["sequence", "sequences"]:
        """What an example is to a model: vectors in a row, or rows of rows."""
        return "sequences" if self.level == "segments_frames" else "sequence"

    def check(self) -> None:
        for name in ("max_segments", "max_frames", "window_frames", "hop_frames"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name}: expected 0 or more, found {getattr(self, name)!r}")
        if self.buckets < 1:
            raise ConfigError(f"buckets: expected 1 or more, found {self.buckets!r}")
        if self.level == "segments" and self.max_frames:
            raise ConfigError(f"max_frames: {self.max_frames!r} has no meaning at level 'segments'")
        if not 0 <= self.window_s < math.inf:
            raise ConfigError(f"window_s: expected a number of seconds, 0 or more, found {self.window_s!r}")
        if self.level != "windows" and (self.window_frames or self.hop_frames or self.window_s):
            raise ConfigError(f"window_frames, window_s: windows need level 'windows', found {self.level!r}")
        if self.window_s and (self.window_frames or self.hop_frames):
            raise ConfigError(f"window_s: windows are of segments or of frames, found {self.window_s!r} and frames too")
        if self.level == "windows" and not self.window_s and not 0 < self.window_frames >= self.hop_frames:
            raise ConfigError(
                f"window_frames: expected 1 or more, and at least hop_frames so that no frame is lost, "
                f"found {self.window_frames!r} and {self.hop_frames!r}"
            )
        if self.window_frames and self.buckets > 1:
            raise ConfigError(f"buckets: windows of frames are all of one length, found {self.buckets!r} buckets")


class Padded(NamedTuple):
    """Examples in one array. `values` is zero where `mask` is False; the real cells come first on every axis."""

    values: Float32[np.ndarray, "*axes D"]
    mask: Bool[np.ndarray, " *axes"]


@dataclasses.dataclass(frozen=True)
class Bucket:
    """Examples of like length. `rows` are their places on the example axis of `Examples`, ascending."""

    features: dict[str, Padded]
    rows: Int32[np.ndarray, " N_b"]


@dataclasses.dataclass(frozen=True)
class Examples:
    """What a model is trained on: N examples of G recordings, in the corpus's order.

    Attributes:
        buckets: every example stands in exactly one.
        ids: unique; the recording's id, or of windows `<recording>:<number of the window>`.
        groups: which recording an example belongs to, an index into `group_ids`. Decisions are taken a group.
        labels: by task: of a classification task the class's index, -1 where missing; of a score the score, NaN where
            missing.
        classes: by classification task, its classes in the order of their indices.
        metadata: by name; "" where a recording lacks it.
        fingerprints: of the feature sets, by feature name.
        padding_waste: padded cells as a share of all cells (entries of the masks of all features).
        cut: by feature name, how many recordings lost segments or frames to `max_segments` or `max_frames`.
    """

    buckets: tuple[Bucket, ...]
    ids: Shaped[np.ndarray, " N"]
    participants: Shaped[np.ndarray, " N"]
    splits: Shaped[np.ndarray, " N"]
    groups: Int32[np.ndarray, " N"]
    group_ids: Shaped[np.ndarray, " G"]
    labels: dict[str, np.ndarray]
    classes: dict[str, tuple[str, ...]]
    metadata: dict[str, np.ndarray]
    synthetic: bool
    fingerprints: dict[str, str]
    padding_waste: float
    cut: dict[str, int] = dataclasses.field(default_factory=dict)

    @property
    def first_rows(self) -> Int32[np.ndarray, " G"]:
        """Of each recording its first example, which has the recording's labels and metadata."""
        return np.unique(self.groups, return_index=True)[1].astype(np.int32)

    def summary(self) -> str:
        """One line: how many examples, how padded, what was cut."""
        shapes = "; ".join(
            f"{name} " + " + ".join("x".join(map(str, bucket.features[name].values.shape)) for bucket in self.buckets)
            for name in self.fingerprints
        )
        cut = ", ".join(f"{name} of {count} recordings cut" for name, count in self.cut.items() if count)
        return (
            f"{len(self.ids)} examples of {len(self.group_ids)} recordings ({shapes}), "
            f"{100 * self.padding_waste:.1f} % padding"
            f"{'; ' + cut if cut else ''}{'; synthetic corpus' if self.synthetic else ''}"
        )


def arrange(sets: Mapping[str, FeatureSet], arrangements: Mapping[str, Arrangement]) -> Examples:
    """Joins the feature sets on the recordings' ids, arranges each and pads them in buckets.

    The order of examples is that of the first feature set; the buckets are by the length of its examples.

    Raises:
        ConfigError: a feature has no arrangement or the reverse; windows beside another feature; different `buckets`.
        DataError: the feature sets are not of the same recordings, or differ in their labels.
    """
    _check_arrangements(sets, arrangements)
    names = list(sets)
    joined = aligned(sets) if arrangements[names[0]].window_s else _joined(sets)  # {feature: recordings in one order}
    arranged = {name: [_arranged(item, arrangements[name]) for item in joined[name]] for name in names}
    examples = {name: [example for found in arranged[name] for example in found.examples] for name in names}
    counts = [len(found.examples) for found in arranged[names[0]]]
    groups = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    recordings = [joined[names[0]][group] for group in groups]
    buckets = tuple(
        Bucket(
            {name: _padded([examples[name][row] for row in rows], arrangements[name].window_frames) for name in names},
            rows,
        )
        for rows in _bucket_rows([example.length for example in examples[names[0]]], arrangements[names[0]].buckets)
    )
    masks = [padded.mask for bucket in buckets for padded in bucket.features.values()]
    description = sets[names[0]].description
    return Examples(
        buckets=buckets,
        ids=_ids(joined[names[0]], counts, arrangements[names[0]].level),
        participants=np.array([item.participant for item in recordings]),
        splits=np.array([item.split for item in recordings]),
        groups=groups,
        group_ids=np.array([item.id for item in joined[names[0]]]),
        labels={task: _labels(task, recordings, description) for task in description.tasks},
        classes={task: order for task, order in description.classes.items() if task in description.tasks},
        metadata=_metadata(recordings),
        synthetic=any(found.description.synthetic for found in sets.values()),
        fingerprints={name: found.description.fingerprint for name, found in sets.items()},
        padding_waste=1 - sum(int(mask.sum()) for mask in masks) / sum(mask.size for mask in masks),
        cut={name: sum(found.cut for found in arranged[name]) for name in names},
    )


def aligned(sets: Mapping[str, FeatureSet]) -> dict[str, list[Stored]]:
    """The recordings of feature sets of one corpus in one order, by feature.

    Raises:
        DataError: the sets are not of the same recordings with the same segments.
    """
    joined = _joined(sets)
    first = next(iter(joined))
    for name, recordings in joined.items():
        for one, other in zip(joined[first], recordings, strict=True):
            if not (np.array_equal(one.starts_s, other.starts_s) and np.array_equal(one.stops_s, other.stops_s)):
                raise DataError(
                    f"recording {one.id}: the features {first!r} and {name!r} have other segments, so that they do not "
                    "fit together; give both the same segmentation"
                )
    return joined


class _Example(NamedTuple):
    """Vectors one after another, and how many: `counts` is one number, or one a segment."""

    values: Float32[np.ndarray, "vectors D"]
    counts: Int32[np.ndarray, "*segments"]

    @property
    def length(self) -> int:
        return len(self.counts) if self.counts.ndim else int(self.counts)


class _Arranged(NamedTuple):
    examples: list[_Example]
    cut: bool


def _check_arrangements(sets: Mapping[str, FeatureSet], arrangements: Mapping[str, Arrangement]) -> None:
    if not sets or set(sets) != set(arrangements):
        raise ConfigError(f"arrangements: given for {sorted(arrangements)}, but the features are {sorted(sets)}")
    cuts = {(arrangement.window_s, arrangement.max_segments) for arrangement in arrangements.values()}
    are_windows = any(arrangement.window_s for arrangement in arrangements.values())
    for name, arrangement in arrangements.items():
        if len(sets) > 1 and (arrangement.window_frames or (are_windows and len(cuts) > 1)):
            raise ConfigError(
                f"arrangements.{name}: windows of one feature fit those of another only with the same window_s and "
                "max_segments for all"
            )
    asked = {arrangement.buckets for arrangement in arrangements.values() if arrangement.buckets > 1}
    if len(asked) > 1 or (asked and arrangements[next(iter(sets))].buckets == 1):
        raise ConfigError(
            f"arrangements: the buckets of the first feature, {next(iter(sets))!r}, hold for all; give no others"
        )


def _joined(sets: Mapping[str, FeatureSet]) -> dict[str, list[Stored]]:
    (first, reference), *others = sets.items()
    joined = {first: list(reference.recordings)}
    for name, found in others:
        by_id = {item.id: item for item in found.recordings}
        ids = {item.id for item in reference.recordings}
        if lone := sorted(ids ^ set(by_id)):
            raise DataError(
                f"recording {lone[0]}: has only one of the features {first!r} and {name!r}; prepare both again"
            )
        joined[name] = [by_id[item.id] for item in reference.recordings]
        for left, right in zip(joined[first], joined[name], strict=True):
            if left[:5] != right[:5]:
                raise DataError(
                    f"recording {left.id}: participant, split, labels or metadata differ between the features "
                    f"{first!r} and {name!r}; prepare both again from one state of the corpus"
                )
    return joined


def _arranged(recording: Stored, arrangement: Arrangement) -> _Arranged:
    recording, cut = _with_segments(recording, arrangement.max_segments)
    values, lengths, limit = recording.values, recording.lengths, arrangement.max_frames
    if arrangement.level == "segments":
        return _Arranged([_flat(_means(values, lengths))], cut)
    if arrangement.level == "segments_frames":
        kept = np.minimum(lengths, limit or lengths)
        within = np.arange(len(values)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        values = values[within < np.repeat(kept, lengths)]
        return _Arranged([_Example(values, kept.astype(np.int32))], cut or bool((kept < lengths).any()))
    if arrangement.window_s:
        windows = _segment_windows(recording, arrangement.window_s)
        cut = cut or 0 < limit < max(map(len, windows))
        return _Arranged([_flat(window[: limit or None]) for window in windows], cut)
    cut = cut or 0 < limit < len(values)
    values = values[: limit or None]
    if arrangement.level == "frames":
        return _Arranged([_flat(values)], cut)
    return _Arranged([_flat(window) for window in _windows(values, arrangement)], cut)


def _flat(values: Float32[np.ndarray, "vectors D"]) -> _Example:
    return _Example(values, np.array(len(values), np.int32))


def _with_segments(recording: Stored, limit: int) -> tuple[Stored, bool]:
    lengths = recording.lengths
    if not 0 < limit < len(lengths):
        return recording, False
    kept = np.zeros(len(lengths), bool)
    kept[np.linspace(0, len(lengths) - 1, limit).round().astype(int)] = True
    of_segments = {name: getattr(recording, name)[kept] for name in ("lengths", "starts_s", "stops_s")}
    return recording._replace(values=recording.values[np.repeat(kept, lengths)], **of_segments), True


def _means(values: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    if len(values) == len(lengths):
        return values
    sums = np.add.reduceat(values, np.cumsum(lengths) - lengths, axis=0, dtype=np.float64)
    return (sums / lengths[:, None]).astype(np.float32)


def _windows(values: np.ndarray, arrangement: Arrangement) -> list[np.ndarray]:
    size, last = arrangement.window_frames, len(values) - arrangement.window_frames
    if last <= 0:
        return [values]
    starts = [*range(0, last, arrangement.hop_frames or size), last]
    return [values[start : start + size] for start in starts]


def _segment_windows(recording: Stored, window_s: float) -> list[np.ndarray]:
    """The frames of whole segments, divided into windows of about equally much speech."""
    durations_s = recording.stops_s - recording.starts_s
    middles_s, total_s = np.cumsum(durations_s) - durations_s / 2, durations_s.sum()
    count = max(1, round(total_s / window_s))
    window = np.minimum(middles_s / total_s * count, count - 1).astype(int)
    of_frame = np.repeat(window, recording.lengths)
    return [recording.values[of_frame == index] for index in np.unique(window)]


def _bucket_rows(lengths: Sequence[int], buckets: int) -> list[Int32[np.ndarray, " N_b"]]:
    edges = np.quantile(lengths, np.arange(1, buckets) / buckets, method="inverted_cdf")
    bucket = np.searchsorted(np.unique(edges), lengths)  # a length equal to an edge stays below it
    return [np.flatnonzero(bucket == index).astype(np.int32) for index in np.unique(bucket)]


def _padded(examples: Sequence[_Example], at_least: int) -> Padded:
    counts = np.array([example.counts for example in examples]) if not examples[0].counts.ndim else _matrix(examples)
    mask = np.arange(max(int(counts.max()), at_least)) < counts[..., None]
    values = np.zeros((*mask.shape, examples[0].values.shape[1]), np.float32)
    values[mask] = np.concatenate([example.values for example in examples])
    return Padded(values, mask)


def _matrix(examples: Sequence[_Example]) -> Int32[np.ndarray, "N_b U"]:
    counts = np.zeros((len(examples), max(example.length for example in examples)), np.int32)
    for row, example in zip(counts, examples, strict=True):
        row[: example.length] = example.counts
    return counts


def _ids(recordings: Sequence[Stored], counts: Sequence[int], level: str) -> np.ndarray:
    if level != "windows":
        return np.array([item.id for item in recordings])
    return np.array(
        [f"{item.id}:{index}" for item, count in zip(recordings, counts, strict=True) for index in range(count)]
    )


def _labels(task: str, recordings: Sequence[Stored], description: Description) -> np.ndarray:
    missing, dtype = (MISSING_CLASS, np.int32) if task in description.classes else (np.nan, np.float32)
    return np.array(
        [
            label_value(item.labels[task], task, description.classes, item.id) if task in item.labels else missing
            for item in recordings
        ],
        dtype,
    )


def _metadata(recordings: Sequence[Stored]) -> dict[str, np.ndarray]:
    names = sorted({name for item in recordings for name in item.metadata})
    return {name: np.array([item.metadata.get(name, "") for item in recordings]) for name in names}
