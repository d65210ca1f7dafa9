"""From features to padded arrays: `read` the shards, `arrange` what they hold into `Examples`.

Shards are read through tf.data where TensorFlow is installed. Padding and buckets are numpy everywhere: a whole feature
set is meant to lie on the device, so that the batches of every seed are gathered there, and one masked assignment a
bucket pads it, with no second path to keep equal.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int, Int32, Num, Shaped

from input_pipeline.arrangement import EACH, Arranged, Arrangement, Example, arranged
from input_pipeline.builder import label_value
from input_pipeline.config import ConfigError
from input_pipeline.errors import DataError
from input_pipeline.left_out import LeftOut, counted
from input_pipeline.reading import FeatureSet, Stored, read
from input_pipeline.recording import Corpus, Recording

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
    "left_out",
    "read",
    "vectors_of",
    "without_features",
]

MISSING_CLASS = -1


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

    Perturbed copies of the recordings, where there are any, are recordings of their own behind all others: example i of
    the first `n_originals`, of the first `n_recordings`, has its copies at i + n_originals, i + 2 n_originals, ...

    Attributes:
        buckets: every example stands in exactly one.
        ids: unique; the recording's id, or of windows `<recording>:<number of the window>`, and so of images and
            frames where a recording has several.
        groups: which recording an example belongs to, an index into `group_ids`. Decisions are taken a group.
        labels: by task: of a classification task the class's index, -1 where missing; of a score the score, NaN where
            missing.
        classes: by classification task, its classes in the order of their indices.
        metadata: by name; "" where a recording lacks it.
        fingerprints: of the feature sets, by feature name.
        padding_waste: padded cells as a share of all cells (entries of the masks of all features).
        left_out: what of the recordings is in no example, by `Segmentation` and by `Arrangement`; copies do not count.
        copies: how many of each recording.
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
    left_out: tuple[LeftOut, ...] = ()
    copies: int = 0

    @property
    def n_originals(self) -> int:
        """How many examples are of recordings themselves, and not of copies."""
        return len(self.ids) // (1 + self.copies)

    @property
    def n_recordings(self) -> int:
        """How many recordings are no copies."""
        return len(self.group_ids) // (1 + self.copies)

    @property
    def first_rows(self) -> Int32[np.ndarray, " G"]:
        """Of each recording its first example, which has the recording's labels and metadata; of each copy too."""
        return np.unique(self.groups, return_index=True)[1].astype(np.int32)

    def with_copies(self, rows: Int[np.ndarray, " n"]) -> Int[np.ndarray, " m"]:
        """These examples, which are no copies, and all of their copies, in ascending order."""
        return (np.arange(1 + self.copies)[:, None] * self.n_originals + rows).ravel()

    def summary(self) -> str:
        """One line: how many examples, and how padded."""
        shapes = "; ".join(
            f"{name} " + " + ".join("x".join(map(str, bucket.features[name].values.shape)) for bucket in self.buckets)
            for name in self.fingerprints
        )
        copies = f", each with {self.copies} perturbed copies" if self.copies else ""
        return (
            f"{self.n_originals} examples of {self.n_recordings} recordings{copies} ({shapes}), "
            f"{100 * self.padding_waste:.1f} % padding"
            f"{'; synthetic corpus' if self.synthetic else ''}"
        )


def arrange(sets: Mapping[str, FeatureSet], arrangements: Mapping[str, Arrangement]) -> Examples:
    """Joins the feature sets on the recordings' ids, arranges each and pads them in buckets.

    The order of examples is that of the first feature set; the buckets are by the length of its examples.

    Args:
        sets: by feature name; all with as many copies (`copies.with_copies`), or none.

    Raises:
        ConfigError: a feature has no arrangement or the reverse, or one that does not fit its frames; windows beside
            another feature; different `buckets`.
        DataError: the feature sets are not of the same recordings, or differ in their labels; several images of a
            recording, each an example, do not fit beside another feature.
    """
    _check_arrangements(sets, arrangements)
    names = list(sets)
    joined = _joined(sets)  # {feature: recordings in one order}
    for cut_up in ([name for name in names if arrangements[name].window_s], _of_level(arrangements, *EACH)):
        if len(cut_up) > 1:
            aligned({name: sets[name] for name in cut_up})
    found = {name: [arranged(item, arrangements[name]) for item in joined[name]] for name in names}
    counts = [max(len(found[name][index].examples) for name in names) for index in range(len(joined[names[0]]))]
    examples = {
        name: [
            example
            for item, of_one, count in zip(joined[name], found[name], counts, strict=True)
            for example in _beside(name, item, of_one, count, arrangements[name])
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
        labels={task: _labels(task, recordings, description.classes) for task in description.tasks},
        classes={task: order for task, order in description.classes.items() if task in description.tasks},
        metadata=_metadata(recordings),
        synthetic=any(found.description.synthetic for found in sets.values()),
        fingerprints={name: found.fingerprint for name, found in sets.items()},
        padding_waste=1 - sum(int(mask.sum()) for mask in masks) / sum(mask.size for mask in masks),
        left_out=tuple(one for name in names for one in _left_out(name, sets[name], arrangements[name], found[name])),
        copies=len(sets[names[0]].copies),
    )


def without_features(corpus: Corpus) -> Examples:
    """The recordings of a corpus as examples of no feature: for what is asked of them before anything is computed.

    Raises:
        DataError: the corpus is broken, or a label is none of its classes.
    """
    recordings = corpus.recordings()
    tasks = sorted({task for recording in recordings for task in recording.labels})
    ids = np.array([recording.id for recording in recordings])
    return Examples(
        buckets=(),
        ids=ids,
        participants=np.array([recording.participant for recording in recordings]),
        splits=np.array([recording.split for recording in recordings]),
        groups=np.arange(len(ids), dtype=np.int32),
        group_ids=ids,
        labels={task: _labels(task, recordings, corpus.classes) for task in tasks},
        classes={task: tuple(names) for task, names in corpus.classes.items() if task in tasks},
        metadata=_metadata(recordings),
        synthetic=corpus.synthetic,
        fingerprints={},
        padding_waste=0.0,
    )


def left_out(sets: Mapping[str, FeatureSet], arrangements: Mapping[str, Arrangement]) -> tuple[LeftOut, ...]:
    """`Examples.left_out` of what `arrange` would make of these, which is not padded for it."""
    return tuple(
        one
        for name, found in sets.items()
        for one in _left_out(
            name, found, arrangements[name], [arranged(item, arrangements[name]) for item in found.recordings]
        )
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


def _of_level(arrangements: Mapping[str, Arrangement], *levels: str) -> list[str]:
    return [name for name, arrangement in arrangements.items() if arrangement.level in levels]


def _left_out(
    name: str, found: FeatureSet, arrangement: Arrangement, examples: Sequence[Arranged]
) -> tuple[LeftOut, ...]:
    """What of the recordings of one feature set was left out when it was computed, and is by its arrangement."""
    unit = "images" if arrangement.level in ("image", "images") else "frames"
    pairs = list(zip(found.originals, examples[: len(found.originals)], strict=True))
    lacking = ((int(len(item.values) == 0), 1) for item, _ in pairs)
    segments = ((one.segments_cut, len(item.lengths)) for item, one in pairs)
    frames = ((one.frames_cut, len(item.values)) for item, one in pairs)
    return (
        *(one if one.feature else one._replace(feature=name) for one in found.description.left_out),
        *counted("recordings", "lack it and are masked", lacking, name),
        *counted("segments", f"are left out by max_segments={arrangement.max_segments}", segments, name),
        *counted(unit, f"are cut by max_frames={arrangement.max_frames}", frames, name),
    )


def _beside(name: str, recording: Stored, found: Arranged, count: int, arrangement: Arrangement) -> Sequence[Example]:
    """A recording's examples of one feature, of which there are as many as of all its features together."""
    examples = found.examples
    is_lacking = arrangement.level in EACH and len(recording.values) == 0
    if len(examples) == 1 and (arrangement.level == "vector" or is_lacking):
        return examples * count
    if len(examples) != count:
        raise DataError(
            f"recording {recording.id}: images or frames that are examples of their own make {count} of it, and the feature "
            f"{name!r} {len(examples)}; give features that are cut up the same segments and windows, lay them out as 'images' "
            "or 'frames', or keep one a recording (max_frames=1)"
        )
    return examples


def _bucket_rows(lengths: Sequence[int], buckets: int) -> list[Int32[np.ndarray, " N_b"]]:
    edges = np.quantile(lengths, np.arange(1, buckets) / buckets, method="inverted_cdf")
    bucket = np.searchsorted(np.unique(edges), lengths)  # a length equal to an edge stays below it
    return [np.flatnonzero(bucket == index).astype(np.int32) for index in np.unique(bucket)]


def _padded(examples: Sequence[Example], arrangement: Arrangement) -> Padded:
    counts = np.array([example.counts for example in examples]) if not examples[0].counts.ndim else _matrix(examples)
    mask = np.arange(max(int(counts.max()), arrangement.window_frames, 1)) < counts[..., None]
    frames = examples[0].values
    values = np.zeros((*mask.shape, *frames.shape[1:]), frames.dtype)
    for example, cells, there in zip(examples, values, mask, strict=True):
        cells[there] = example.values
    return Padded(values[:, 0], mask[:, 0]) if arrangement.level in ("vector", *EACH) else Padded(values, mask)


def _matrix(examples: Sequence[Example]) -> Int32[np.ndarray, "N_b U"]:
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


def _labels(
    task: str, recordings: Sequence[Stored] | Sequence[Recording], classes: Mapping[str, tuple[str, ...]]
) -> np.ndarray:
    missing, dtype = (MISSING_CLASS, np.int32) if task in classes else (np.nan, np.float32)
    return np.array(
        [
            label_value(item.labels[task], task, classes, item.id) if task in item.labels else missing
            for item in recordings
        ],
        dtype,
    )


def _metadata(recordings: Sequence[Stored] | Sequence[Recording]) -> dict[str, np.ndarray]:
    names = sorted({name for item in recordings for name in item.metadata})
    return {name: np.array([item.metadata.get(name, "") for item in recordings]) for name in names}
