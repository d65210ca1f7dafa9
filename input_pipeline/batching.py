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
from jaxtyping import Bool, Float64, Int32, Num, Shaped

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
    "vectors_of",
]

MISSING_CLASS = -1

# What an example of each level is to a model: a `Layout` of jaxdep.models.
_LAYOUTS: Mapping[str, Literal["vector", "sequence", "sequences", "image", "images"]] = {
    "segments": "sequence",
    "frames": "sequence",
    "segments_frames": "sequences",
    "windows": "sequence",
    "vector": "vector",
    "image": "image",
    "images": "images",
}


@dataclasses.dataclass
class Arrangement(Config):
    """How a recording's frames become an example. N examples, U segments, T frames, W frames a window, D dimensions.

    A recording that lacks the feature is masked throughout.

    Attributes:
        level: "segments": [N, U, D], one vector a segment, the mean over its frames. "frames": [N, T, D], all frames of
            a recording one after another. "segments_frames": [N, U, T, D]. "windows": [N', W, D], every window of the
            frames one after another is an example of its own, and the examples of a recording are one group. Windows
            are of equally many frames (`window_frames`), or of whole segments (`window_s`); only the latter fit together
            between features. "vector": [N, D], one vector a recording, the mean over its frames; it stands beside each
            of the recording's examples where other features cut it into several. "images": [N, F, H, W, C], all images
            of a recording. "image": [N', H, W, C], every image is an example of its own, and the examples of a recording
            are one group; beside features that do not cut recordings up, a recording has one image, and beside those of
            another "image" as many, of the same segments.
        max_segments: of a recording with more segments, so many are kept, evenly spaced from first to last (0: all).
            This comes first, at every level.
        max_frames: of more frames, the first so many are kept (0: all): of the recording ("frames", or windows of
            frames), of each segment ("segments_frames"), of each window of segments. Of more images, so many, evenly
            spaced from first to last.
        window_frames: W. The last window is moved back so that it ends with the recording; a recording shorter than one
            window gives one, padded.
        hop_frames: frames from the start of one window to that of the next (0: W).
        window_s: seconds of speech. The recording is divided between segments into windows of about equally much speech,
            as near to this as that allows; a segment belongs where its middle lies, and none is divided.
        buckets: in how many groups of about equal size and of like length the examples are padded, each to its own
            longest; equal lengths share a bucket, so there may be fewer.
    """

    level: Literal["segments", "frames", "segments_frames", "windows", "vector", "image", "images"] = "segments"
    max_segments: int = 0
    max_frames: int = 0
    window_frames: int = 0
    hop_frames: int = 0
    window_s: float = 0.0
    buckets: int = 1

    @property
    def layout(self) -> Literal["vector", "sequence", "sequences", "image", "images"]:
        """What an example is to a model."""
        return _LAYOUTS[self.level]

    def check(self) -> None:
        for name in ("max_segments", "max_frames", "window_frames", "hop_frames"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name}: expected 0 or more, found {getattr(self, name)!r}")
        if self.buckets < 1:
            raise ConfigError(f"buckets: expected 1 or more, found {self.buckets!r}")
        if self.level in ("segments", "vector") and self.max_frames:
            raise ConfigError(f"max_frames: {self.max_frames!r} has no meaning at level {self.level!r}")
        if self.level in ("vector", "image") and self.buckets > 1:
            raise ConfigError(f"buckets: examples of level {self.level!r} are all of one size, found {self.buckets!r}")
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

    def check_frames(self, shape: tuple[int, ...]) -> None:
        """Raises ConfigError where frames of that shape cannot be arranged so."""
        wanted, names = (3, "images") if self.level in ("image", "images") else (1, "vectors")
        if len(shape) != wanted:
            found = "x".join(map(str, shape))
            raise ConfigError(f"level: {self.level!r} is of {names}, and a frame of the feature is of shape {found}")


class Padded(NamedTuple):
    """Examples in one array, of the type that the feature has on disk.

    `values` is zero where `mask` is False; the real cells come first on every axis.
    """

    values: Num[np.ndarray, " *axes_and_frame"]
    mask: Bool[np.ndarray, " *axes"]


def vectors_of(values: Num[np.ndarray, "..."], mask: Bool[np.ndarray, "..."]) -> Float64[np.ndarray, "n D"]:
    """The real vectors of an example, or the real pixels of images; what is stored as uint8 is scaled to 0 ... 1."""
    vectors = values[mask].reshape(-1, values.shape[-1]).astype(np.float64)
    return vectors / 255 if values.dtype == np.uint8 else vectors


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
        ids: unique; the recording's id, or of windows `<recording>:<number of the window>`, and so of images where a
            recording has several.
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
        ConfigError: a feature has no arrangement or the reverse, or one that does not fit its frames; windows beside
            another feature; different `buckets`.
        DataError: the feature sets are not of the same recordings, or differ in their labels; several images of a
            recording, each an example, do not fit beside another feature.
    """
    _check_arrangements(sets, arrangements)
    names = list(sets)
    joined = _joined(sets)  # {feature: recordings in one order}
    for cut_up in ([name for name in names if arrangements[name].window_s], _of_level(arrangements, "image")):
        if len(cut_up) > 1:
            aligned({name: sets[name] for name in cut_up})
    arranged = {name: [_arranged(item, arrangements[name]) for item in joined[name]] for name in names}
    counts = [max(len(arranged[name][index].examples) for name in names) for index in range(len(joined[names[0]]))]
    examples = {
        name: [
            example
            for item, found, count in zip(joined[name], arranged[name], counts, strict=True)
            for example in _beside(name, item, found, count, arrangements[name])
        ]
        for name in names
    }
    groups = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    recordings = [joined[names[0]][group] for group in groups]
    buckets = tuple(
        Bucket(
            {name: _padded([examples[name][row] for row in rows], arrangements[name]) for name in names},
            rows,
        )
        for rows in _bucket_rows([example.length for example in examples[names[0]]], arrangements[names[0]].buckets)
    )
    masks = [padded.mask for bucket in buckets for padded in bucket.features.values()]
    description = sets[names[0]].description
    return Examples(
        buckets=buckets,
        ids=_ids(joined[names[0]], counts, is_numbered=max(counts) > 1 or bool(_of_level(arrangements, "windows"))),
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
    """Frames one after another, and how many: `counts` is one number, or one a segment."""

    values: Num[np.ndarray, " frames *shape"]
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
    for name, found in sets.items():
        try:
            arrangements[name].check_frames(found.description.shape)
        except ConfigError as error:
            raise ConfigError(f"arrangements.{name}.{error}") from None
    others = {name: arrangements[name] for name in arrangements if arrangements[name].level != "vector"}
    cuts = {(arrangement.window_s, arrangement.max_segments) for arrangement in others.values()}
    are_windows = any(arrangement.window_s for arrangement in others.values())
    for name, arrangement in others.items():
        if len(others) > 1 and (arrangement.window_frames or (are_windows and len(cuts) > 1)):
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


def _of_level(arrangements: Mapping[str, Arrangement], level: str) -> list[str]:
    return [name for name, arrangement in arrangements.items() if arrangement.level == level]


def _arranged(recording: Stored, arrangement: Arrangement) -> _Arranged:
    recording, cut = _with_segments(recording, arrangement.max_segments)
    values, lengths, limit = recording.values, recording.lengths, arrangement.max_frames
    if arrangement.level == "segments":
        return _Arranged([_flat(_means(recording, lengths))], cut)
    if arrangement.level == "vector":
        return _Arranged([_flat(_means(recording, lengths.sum(keepdims=True)))], cut)
    if arrangement.level in ("image", "images"):
        kept = values[_evenly(len(values), limit)] if 0 < limit < len(values) else values
        together = arrangement.level == "images" or len(kept) == 0
        of_examples = [kept] if together else [kept[index : index + 1] for index in range(len(kept))]
        return _Arranged([_flat(found) for found in of_examples], cut or len(kept) < len(values))
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


def _flat(values: Num[np.ndarray, " frames *shape"]) -> _Example:
    return _Example(values, np.array(len(values), np.int32))


def _beside(name: str, recording: Stored, found: _Arranged, count: int, arrangement: Arrangement) -> Sequence[_Example]:
    """A recording's examples of one feature, of which there are as many as of all its features together."""
    examples = found.examples
    is_lacking = arrangement.level == "image" and len(recording.values) == 0
    if len(examples) == 1 and (arrangement.level == "vector" or is_lacking):
        return examples * count
    if len(examples) != count:
        raise DataError(
            f"recording {recording.id}: images that are examples of their own make {count} of it, and the feature {name!r} "
            f"{len(examples)}; lay them out as 'images', or keep one a recording (max_frames=1)"
        )
    return examples


def _with_segments(recording: Stored, limit: int) -> tuple[Stored, bool]:
    lengths = recording.lengths
    if not 0 < limit < len(lengths):
        return recording, False
    kept = np.zeros(len(lengths), bool)
    kept[_evenly(len(lengths), limit)] = True
    of_segments = {name: getattr(recording, name)[kept] for name in ("lengths", "starts_s", "stops_s")}
    return recording._replace(values=recording.values[np.repeat(kept, lengths)], **of_segments), True


def _evenly(count: int, limit: int) -> Int32[np.ndarray, " limit"]:
    """Which of `count` are kept of more than `limit`, evenly spaced from first to last."""
    return np.linspace(0, count - 1, limit).round().astype(np.int32)


def _means(recording: Stored, lengths: np.ndarray) -> np.ndarray:
    """Of each of so many frames one after another the mean; of no frame nothing."""
    values = recording.values
    if len(values) in (0, len(lengths)):
        return values
    if values.dtype != np.float32:
        raise DataError(f"recording {recording.id}: its {len(values)} frames of {values.dtype} have no mean; use one")
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


def _padded(examples: Sequence[_Example], arrangement: Arrangement) -> Padded:
    counts = np.array([example.counts for example in examples]) if not examples[0].counts.ndim else _matrix(examples)
    mask = np.arange(max(int(counts.max()), arrangement.window_frames, 1)) < counts[..., None]
    frames = examples[0].values
    values = np.zeros((*mask.shape, *frames.shape[1:]), frames.dtype)
    for example, cells, there in zip(examples, values, mask, strict=True):
        cells[there] = example.values
    return Padded(values[:, 0], mask[:, 0]) if arrangement.level in ("vector", "image") else Padded(values, mask)


def _matrix(examples: Sequence[_Example]) -> Int32[np.ndarray, "N_b U"]:
    counts = np.zeros((len(examples), max(example.length for example in examples)), np.int32)
    for row, example in zip(counts, examples, strict=True):
        row[: example.length] = example.counts
    return counts


def _ids(recordings: Sequence[Stored], counts: Sequence[int], is_numbered: bool) -> np.ndarray:
    if not is_numbered:
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
