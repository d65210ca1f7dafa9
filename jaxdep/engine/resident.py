"""From padded examples to what a compiled program reads: resident buckets, and one seed's own view of them."""

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Bool, Float, Int, Num, PRNGKeyArray, Scalar

from input_pipeline.batching import Examples, vectors_of
from input_pipeline.config import ConfigError
from input_pipeline.errors import DataError
from jaxdep.config import Splits, Task
from jaxdep.engine.splits import assign, check_labelled, divided
from jaxdep.models import Masked


class SeedKeys(NamedTuple):
    """A seed's four separate random streams."""

    init: PRNGKeyArray
    order: PRNGKeyArray
    dropout: PRNGKeyArray
    split: PRNGKeyArray


class Part(NamedTuple):
    """The examples of one split of one seed, and the units that decisions are taken for.

    Attributes:
        positions: by bucket, [n_b], rows of that bucket; filled up with row 0 where `valid` is False.
        valid: by bucket, [n_b].
        units: by bucket, [n_b], the unit (0 ... U - 1) whose decision the example takes part in.
        targets: by task, [U], each unit's class index (-1 unknown) or score (NaN unknown).
    """

    positions: tuple[Int[Array, " n"], ...]
    valid: tuple[Bool[Array, " n"], ...]
    units: tuple[Int[Array, " n"], ...]
    targets: Mapping[str, Num[Array, " units"]]


class Normalizer(NamedTuple):
    """Mean and reciprocal standard deviation of a feature over a training split, by dimension, of an image by channel.

    Of what is stored as uint8 they are those of 0 ... 1; a feature of indices has none.
    """

    mean: Float[Array, " dim"]
    scale: Float[Array, " dim"]


class SeedData(NamedTuple):
    """All of the data that may differ between lanes.

    Held for all lanes it is two such tuples: in one the fields, [S, ...], that do differ, in the other those that are
    the same for all, once; a field is None in one of them.

    Attributes:
        settings: hyperparameters, by their path in the stage's config, of which each lane has its own value.
    """

    keys: SeedKeys
    parts: Mapping[str, Part]
    normalizers: Mapping[str, Normalizer]
    class_weights: Mapping[str, Float[Array, " classes"]]
    settings: Mapping[str, Float[Scalar, ""]]


def joined(own: SeedData, common: SeedData) -> SeedData:
    """One seed's data, from what is its own and what all seeds have in common."""

    def present(own: Any, common: Any) -> Any:
        return own if common is None else common

    keys = SeedKeys(*map(present, own.keys, common.keys))
    return SeedData(keys, *map(present, own[1:], common[1:]))


class ResidentBucket(NamedTuple):
    """Examples of about the same length: features by name, targets by task."""

    features: Mapping[str, Masked]
    targets: Mapping[str, Num[Array, " n"]]


class Resident(NamedTuple):
    """What all seeds share.

    Attributes:
        bucket_key: of the order in which batches alternate between the buckets.
        places: by bucket, the batches that an epoch has of it for any seed at most (None: as many as there are).
    """

    buckets: tuple[ResidentBucket, ...]
    bucket_key: PRNGKeyArray
    places: Int[Array, " buckets"] | None = None


@dataclasses.dataclass(frozen=True)
class Units:
    """What the predictions of a part stand for, in their order: decision units, each one recording.

    Attributes:
        groups: [U], indices into `Examples.group_ids`.
        participants: [U].
    """

    groups: Int[np.ndarray, " units"]
    participants: np.ndarray


@dataclasses.dataclass(frozen=True)
class View:
    """One seed's splits in one fold, still as numpy arrays and without keys.

    Attributes:
        parts, normalizers, class_weights: as in `SeedData`.
        units: by part, what its decisions stand for.
        train: the training examples, as indices into the example axis.
    """

    parts: Mapping[str, Part]
    normalizers: Mapping[str, Normalizer]
    class_weights: Mapping[str, Float[Array, " classes"]]
    units: Mapping[str, Units]
    train: Int[np.ndarray, " n"]


class Viewer:
    """Makes the views of the seeds over one set of examples; what all views share is computed once.

    Attributes:
        folds: how many; 1 where there is no cross-validation.

    Args:
        tasks: by the name of a label of the corpus; the first one stratifies a drawn validation split.
        unnormalized: features that are not standardised by each seed's training split.

    Raises:
        ConfigError: a task has no label in the corpus, or a loss that does not fit it; or there are no such folds.
        DataError: a participant stands in two folds.
    """

    def __init__(
        self, examples: Examples, tasks: Mapping[str, Task], splits: Splits, unnormalized: Collection[str] = ()
    ):
        _check_tasks(examples, tasks)
        self.examples, self.tasks, self.unnormalized = examples, tasks, unnormalized
        self._splits = divided(examples, splits, self._first_labels)
        self.folds = len(self._splits)
        features = examples.buckets[0].features
        self._dims = {name: x.values.shape[-1] for name, x in features.items() if x.values.dtype.kind != "i"}
        self._moments = {name: _example_moments(examples, name) for name in self._dims if name not in unnormalized}
        self._place = _places(examples)
        self._views: dict[tuple[int, int], View] = {}

    def view(self, split_seed: int, fold: int = 0) -> View:
        """The view of a seed whose `split` stream draws `split_seed`; raises DataError as `splits.assign` does."""
        # Splits that are listed, or of one draw, are the same for all seeds.
        draw = split_seed if self._splits[fold].drawn_by_seed else 0
        if (draw, fold) not in self._views:
            self._views[draw, fold] = self._make_view(draw, fold)
        return self._views[draw, fold]

    def weighted(self, view: View, tasks: Mapping[str, Task]) -> View:
        """The view where the same tasks weigh their classes otherwise."""
        return dataclasses.replace(view, class_weights=self._class_weights(tasks, view.train))

    def resident(self) -> tuple[ResidentBucket, ...]:
        """The features and targets of all examples, bucket by bucket, as numpy arrays."""

        def of_bucket(features: Mapping[str, Any], rows: np.ndarray) -> ResidentBucket:
            targets: dict[str, Any] = {task: self.examples.labels[task][rows] for task in self.tasks}
            return ResidentBucket({name: Masked(*padded) for name, padded in features.items()}, targets)

        return tuple(of_bucket(bucket.features, bucket.rows) for bucket in self.examples.buckets)

    @property
    def _first_labels(self) -> np.ndarray:
        return self.examples.labels[next(iter(self.tasks))]

    def _make_view(self, split_seed: int, fold: int) -> View:
        rows = assign(self.examples, self._splits[fold], self._first_labels, split_seed)
        check_labelled(self.examples, rows, self.tasks)
        units = {name: self._units(part_rows) for name, part_rows in rows.items()}
        return View(
            parts={name: self._part(rows[name], units[name]) for name in rows},
            normalizers={name: self._normalizer(name, rows["train"]) for name in self._dims},
            class_weights=self._class_weights(self.tasks, rows["train"]),
            units=units,
            train=rows["train"],
        )

    def _units(self, rows: np.ndarray) -> Units:
        groups, first = np.unique(self.examples.groups[rows], return_index=True)
        return Units(groups, self.examples.participants[rows[first]])

    def _part(self, rows: np.ndarray, units: Units) -> Part:
        buckets, positions = self._place[rows].T
        unit_of_row = np.searchsorted(units.groups, self.examples.groups[rows]).astype(np.int32)
        in_bucket = [buckets == bucket for bucket in range(len(self.examples.buckets))]
        first = rows[np.unique(self.examples.groups[rows], return_index=True)[1]]
        arrays: dict[str, Any] = {
            "positions": tuple(positions[chosen].astype(np.int32) for chosen in in_bucket),
            "valid": tuple(np.ones(chosen.sum(), bool) for chosen in in_bucket),
            "units": tuple(unit_of_row[chosen] for chosen in in_bucket),
            "targets": {task: self.examples.labels[task][first] for task in self.tasks},
        }
        return Part(**arrays)

    def _normalizer(self, feature: str, rows: np.ndarray) -> Normalizer:
        mean: Any
        scale: Any
        if feature not in self._moments:
            mean, scale = np.zeros(self._dims[feature], np.float32), np.ones(self._dims[feature], np.float32)
            return Normalizer(mean, scale)
        counts, means, squares = (moment[rows] for moment in self._moments[feature])
        total = max(counts.sum(), 1)  # a modality that nobody in training has is all zeros
        mean = counts @ means / total
        variance = (squares.sum(0) + counts @ (means - mean) ** 2) / total
        # A dimension that does not vary in training is only centred: its scale would be noise.
        deviation = np.where(variance > 1e-12, np.sqrt(variance), 1.0)
        mean, scale = mean.astype(np.float32), (1 / deviation).astype(np.float32)
        return Normalizer(mean, scale)

    def _class_weights(self, tasks: Mapping[str, Task], rows: np.ndarray) -> dict[str, Any]:
        return {name: self._class_weights_of(name, task, rows) for name, task in tasks.items()}

    def _class_weights_of(self, name: str, task: Task, rows: np.ndarray) -> Any:
        """N / (C N_c) over the training examples that have the label (scikit-learn's "balanced")."""
        if name not in self.examples.classes:
            return np.ones(1, np.float32)
        labels = self.examples.labels[name][rows]
        counts = np.bincount(labels[labels >= 0], minlength=len(self.examples.classes[name]))
        if task.class_weights == "equal":
            return np.ones(len(counts), np.float32)
        if (counts == 0).any():
            missing = self.examples.classes[name][int(counts.argmin())]
            raise DataError(
                f"tasks.{name}: the training split has no example of class {missing!r}; set class_weights='equal'"
            )
        return (counts.sum() / (len(counts) * counts)).astype(np.float32)


def _check_tasks(examples: Examples, tasks: Mapping[str, Task]) -> None:
    for name, task in tasks.items():
        if name not in examples.labels:
            raise ConfigError(
                f"tasks.{name}: the corpus has no such label; it has {', '.join(sorted(examples.labels))}"
            )
        task.loss.check_label(f"tasks.{name}.loss", len(examples.classes.get(name, ())))


def _places(examples: Examples) -> Int[np.ndarray, "N 2"]:
    """Of each example, its bucket and its row there."""
    places = np.zeros((len(examples.ids), 2), np.int32)
    for index, bucket in enumerate(examples.buckets):
        places[bucket.rows] = np.stack([np.full(len(bucket.rows), index), np.arange(len(bucket.rows))], axis=1)
    return places


def _example_moments(
    examples: Examples, feature: str
) -> tuple[Float[np.ndarray, " N"], Float[np.ndarray, "N D"], Float[np.ndarray, "N D"]]:
    """Of each example the number of vectors (pixels), their mean, and the sum of squares about that mean, in float64.

    From these the variance of any set of examples follows without a loss of digits (Chan, Golub and LeVeque 1983,
    "Algorithms for Computing the Sample Variance"), and without a common offset, in which a split would see the others.
    """
    dim, n = examples.buckets[0].features[feature].values.shape[-1], len(examples.ids)
    counts, means, squares = np.zeros(n), np.zeros((n, dim)), np.zeros((n, dim))
    for bucket in examples.buckets:
        for row, values, mask in zip(bucket.rows, *bucket.features[feature], strict=True):
            vectors = vectors_of(values, mask)
            if len(vectors):
                counts[row], means[row] = len(vectors), vectors.mean(0)
                squares[row] = ((vectors - means[row]) ** 2).sum(0)
    return counts, means, squares
