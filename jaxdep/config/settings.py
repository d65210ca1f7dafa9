"""What stages are told: seeds and their mapping, the data, tasks, optimiser and schedule; splits.py has who trains."""

import dataclasses
import itertools
import math
from collections.abc import Iterable
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Float, Int32

from input_pipeline.batching import Arrangement
from input_pipeline.config import Config, ConfigError
from input_pipeline.corpora import corpus_name
from input_pipeline.features import Computed, Extracted, Feature, Perturbation
from jaxdep.config.copies import check_copies, perturbed
from jaxdep.config.schedules import Constant, Newbob, Schedule
from jaxdep.config.splits import Splits
from jaxdep.losses import CrossEntropy, Loss

STREAMS = ("init", "order", "dropout", "split")


@dataclasses.dataclass
class Seeds(Config):
    """Which seeds are trained, and what differs between them.

    Attributes:
        count, first: the global seed ids are first, ..., first + count - 1, those of `missing` left out.
        missing: seeds of a sweep that are not there, those in a row together: "40-59", "7-7".
        of: of a chunk: the whole sweep has the seeds from 0 to one less than this (0: it is not known how many).
        root: the key of the whole sweep; seed i of one root never equals seed i of another.
        vary: the random streams that differ between seeds; the others are those of seed 0 for all.
    """

    EXTENT: ClassVar[tuple[str, ...]] = ("count", "first", "missing", "of")  # which seeds, not what they are

    count: int = 20
    first: int = 0
    missing: tuple[str, ...] = ()
    of: int = 0
    root: int = 0
    vary: tuple[str, ...] = STREAMS

    @property
    def ids(self) -> tuple[int, ...]:
        """The global ids of the seeds, in their order."""
        lacking = {seed for told in self.missing for seed in _in_a_row(told)}
        return tuple(seed for seed in range(self.first, self.first + self.count) if seed not in lacking)

    @property
    def told(self) -> str:
        """The ids, those in a row together."""
        return ", ".join(told_seeds(self.ids))

    def only(self, ids: Iterable[int]) -> "Seeds":
        """The seeds with these ids, at least one, counted from 0 on; what else is said of them is as it was."""
        found = set(ids)
        lacking = rows_of(sorted(set(range(max(found))) - found))
        missing = tuple(f"{row[0]}-{row[-1]}" for row in lacking)
        return dataclasses.replace(self, first=0, count=max(found) + 1, missing=missing, of=0)

    def check(self) -> None:
        if self.count < 1:
            raise ConfigError(f"count: at least one seed is needed, found {self.count}")
        if self.first < 0:
            raise ConfigError(f"first: seed ids start at 0, found {self.first}")
        if self.of and self.of < self.first + self.count:
            raise ConfigError(
                f"of: {self.of} seeds, from 0 on, have no seed {self.first + self.count - 1}; give that of the whole sweep"
            )
        for told in self.missing:
            _in_a_row(told)
        if not self.ids:
            raise ConfigError(f"missing: none of the seeds {self.first} to {self.first + self.count - 1} is left")
        unknown = set(self.vary) - set(STREAMS)
        if unknown:
            raise ConfigError(
                f"vary: no random stream is called {sorted(unknown)[0]!r}; there are {', '.join(STREAMS)}"
            )


def rows_of(ids: Iterable[int]) -> list[range]:
    """Seeds in ascending order, those in a row together."""
    rows = [list(row) for _, row in itertools.groupby(enumerate(ids), lambda pair: pair[1] - pair[0])]
    return [range(row[0][1], row[-1][1] + 1) for row in rows]


def told_seeds(ids: Iterable[int]) -> tuple[str, ...]:
    """The same as they are told: ("0-19", "40")."""
    return tuple(f"{row[0]}-{row[-1]}" if len(row) > 1 else str(row[0]) for row in rows_of(ids))


def _in_a_row(told: str) -> range:
    first, _, last = told.partition("-")
    if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last)):
        raise ConfigError(f"missing: expected seeds in a row, as '40-59' or '7-7', found {told!r}")
    return range(int(first), int(last) + 1)


@dataclasses.dataclass
class Mapping(Config):
    """How the seed axis is laid on the devices; results agree to rounding whatever stands here, but for `precision`.

    Attributes:
        mapper: `vmap` trains all seeds of a device as one batch; `map` one group of `group` seeds after another
            inside the compiled program (`lax.map`); `loop` one seed after another from the host; `pmap` is `map`
            under `jax.pmap`; `auto` times vmap, map and loop for a few steps and keeps the
            fastest, also for later runs of the same program on such devices.
        group: seeds of a device at a time under `map` and `pmap` (0: one on a CPU; on an accelerator as many as its memory
            holds by the compiler's plan, of which `auto` also times fewer).
        recurrence: how recurrent layers make their steps: `scan`, XLA's; `unrolled`, the same with eight steps in the loop's
            body, for GPUs, with half the kernels to start; `graph`, for GPUs, whose whole epoch XLA then records as one CUDA
            graph, its loops included; `cudnn`, NVIDIA's LSTM, for float32 and seeds one at a time (others are made by the
            scan); `pallas`, a kernel for TPUs. All compile for such devices and agree with the scan, and none has yet run on
            one; `auto` times those that there are for the device.
        precision: of the products of float32 numbers: `float32`, or on an accelerator `tf32`, as TensorFloat32 or three passes
            of bfloat16, which is quicker and another result. JAX alone would choose less than float32 there.
        memory_gb: what there is of a device's memory, 1e9 bytes (0: what it says it has).
        data_shards: devices that share one seed's batch; the other devices share the seeds (0: one; but where a CPU has
            more cores than there are seeds, `auto` also times as many to a batch as there are cores for each seed).
        resident_gb: features that take more on a device stay on the host, which hands them over batch by batch (0: half
            of the device's memory; the devices of a CPU share the machine's). Each seed's own batches travel, unless all
            seeds train on the same participants in one order: leave `order` out of `Seeds.vary`, and each travels once.
    """

    version: ClassVar[int] = 2

    mapper: Literal["auto", "vmap", "map", "pmap", "loop"] = "auto"
    group: int = 0
    recurrence: Literal["auto", "scan", "unrolled", "graph", "cudnn", "pallas"] = "scan"
    precision: Literal["float32", "tf32"] = "float32"
    memory_gb: float = 0.0
    data_shards: int = 0
    resident_gb: float = 0.0

    def check(self) -> None:
        for name in ("group", "memory_gb", "resident_gb"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"{name}: a number of 0 or more, found {getattr(self, name)}")
        if self.data_shards < 0:
            raise ConfigError(f"data_shards: 0 or more, found {self.data_shards}")

    @property
    def chooses_shards(self) -> bool:
        """Whether it is to be timed how many devices share a batch."""
        return self.data_shards == 0 and self.mapper == "auto"


@dataclasses.dataclass
class StandIn(Config):
    """The stand-in corpus that is written where `Data.stand_in` asks for one (input_pipeline/synthesis).

    Attributes:
        emotion: of interviews: how far the speakers' turns have emotions, which depend on the label (0: they have none).
        utterance_emotions: of interviews utterance by utterance: how far words and face tell which are sad (0: none is).
    """

    sessions: int = 120
    effect: float = 1.0
    seed: int = 0
    emotion: float = 0.0
    utterance_emotions: float = 0.0


@dataclasses.dataclass
class Levels(Config):
    """Classes made of a score: equal parts of a range, called by their middles, so that a class is a number too.

    Attributes:
        of: the label that is a score.
        lowest, highest: the ends of the range; what lies beyond one is of the level there.
        count: how many levels; each holds its lower end.
    """

    of: str = ""
    lowest: float = -1.0
    highest: float = 1.0
    count: int = 10

    def check(self) -> None:
        if not -math.inf < self.lowest < self.highest < math.inf:
            raise ConfigError(f"highest: a number above lowest, {self.lowest}, found {self.highest}")
        if self.count < 2:
            raise ConfigError(f"count: two levels or more, found {self.count}")

    @property
    def classes(self) -> tuple[str, ...]:
        """The middles of the levels, from the lowest."""
        width = (self.highest - self.lowest) / self.count
        return tuple(f"{self.lowest + (level + 0.5) * width:.6g}" for level in range(self.count))

    def level_of(self, scores: Float[np.ndarray, " N"]) -> Int32[np.ndarray, " N"]:
        """The index of each score's level; -1 where it is NaN, a score that is missing."""
        # In float32, as scores are kept: 0.6 of a file and the end of a level at 0.6 are one number.
        ends = np.linspace(self.lowest, self.highest, self.count + 1)[1:-1].astype(np.float32)
        levels = np.searchsorted(ends, scores.astype(np.float32), side="right")
        return np.where(np.isnan(scores), -1, levels).astype(np.int32)


@dataclasses.dataclass
class Data(Config):
    """What a stage reads.

    Attributes:
        corpus: the folder's name below `--data_dir`, or `manifest:FILE.csv`.
        classes, scores: of a manifest alone: its label columns, those with classes (in the order of their indices) and
            those that are numbers.
        levels: further labels, with classes, by name: the levels of scores that the corpus has.
        stand_in: read a synthetic corpus of the same layout instead of the real one, and write it if need be.
        features, arrangements: by feature name, how it is computed, and how it is laid out as an example.
        unnormalized: features that are taken as they are (images as 0 ... 1). Of all others but indices the mean is
            subtracted and the standard deviation divided out, dimension by dimension, of images channel by channel, both
            of each seed's training split alone.
        file_format: of the shards; `array_record` can be read where TensorFlow is not installed.
        copies: each makes one further copy of every recording, of perturbed speech, that is a recording of its own to
            those who train, with the original's labels: it counts in the means and deviations that features are
            standardised by, and in class weights, and `Sampling.per_recording` draws from it too. Whoever validates or is
            tested has no copies anywhere: they are of the examples that train, also where a `leaky` split divides
            windows. A paper that makes copies first and divides them afterwards leaves copies of what it tests in
            training; that is not offered. Features in which sound has no part, `Metadata`, stand beside a copy as they
            are; those that cannot be made of perturbed speech are refused.
    """

    corpus: str = "daic_woz"
    classes: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    scores: tuple[str, ...] = ()
    levels: dict[str, Levels] = dataclasses.field(default_factory=dict)
    stand_in: StandIn | None = None
    features: dict[str, Feature] = dataclasses.field(default_factory=dict)
    arrangements: dict[str, Arrangement] = dataclasses.field(default_factory=dict)
    splits: Splits = dataclasses.field(default_factory=Splits)
    unnormalized: tuple[str, ...] = ()
    file_format: Literal["tfrecord", "array_record"] = "tfrecord"
    copies: tuple[Perturbation, ...] = ()

    def check(self) -> None:
        if not self.features:
            raise ConfigError("features: at least one feature is needed")
        if set(self.features) != set(self.arrangements):
            raise ConfigError(
                f"arrangements: has {sorted(self.arrangements)}, the features are {sorted(self.features)}"
            )
        for name, feature in self.computed.items():
            try:
                self.arrangements[name].check_frames(feature.shape)
            except ConfigError as error:
                raise ConfigError(f"arrangements.{name}.{error}") from None
        for name in self.unnormalized:
            if name not in self.features:
                raise ConfigError(f"unnormalized: there is no feature {name!r}; there are {', '.join(self.features)}")
        check_copies(self.features, self.copies)

    @property
    def copied(self) -> "tuple[Data, ...]":
        """Of each of the copies, what is read of it."""
        return tuple(
            dataclasses.replace(self, copies=(), features=perturbed(self.features, one)) for one in self.copies
        )

    @property
    def split_names(self) -> dict[str, str]:
        """What the parts are called where they are shown, of those that the corpus calls otherwise: "dev (daic_woz)"."""
        own = {part: self.splits.own_name(part) for part in ("validation", "test")}
        return {part: f"{name} ({corpus_name(self.corpus)})" for part, name in own.items() if name}

    def called(self, part: str) -> str:
        """What a part is called where it is shown."""
        return self.split_names.get(part, part)

    @property
    def computed(self) -> dict[str, Computed]:
        """Those of the features that are computed from the corpus."""
        return {name: feature for name, feature in self.features.items() if isinstance(feature, Computed)}

    @property
    def extracted(self) -> dict[str, Extracted]:
        """Those of the features that another stage writes."""
        return {name: feature for name, feature in self.features.items() if isinstance(feature, Extracted)}


@dataclasses.dataclass
class Task(Config):
    """One output of a model and its loss; tasks of one model are summed by weight.

    Attributes:
        loss: of jaxdep.losses, `CrossEntropy` and others for a label with classes, `Huber` and others for a score.
        weight: in the sum over tasks.
        class_weights: in the loss; "balanced": inversely to their count in the seed's training split.
        unit_decision: what decides on a recording that is cut into several examples: the "mean" of their probabilities or
            scores, or a "vote", the class of most examples. A vote's probabilities are the shares of the votes, among which
            the mean is one vote more, as in the fusion of stages: it decides between classes with equally many votes, and
            can turn no majority.
    """

    loss: Loss = dataclasses.field(default_factory=CrossEntropy)
    weight: float = 1.0
    class_weights: Literal["balanced", "equal"] = "balanced"
    unit_decision: Literal["mean", "vote"] = "mean"

    def check(self) -> None:
        if self.unit_decision == "vote" and not self.loss.of_classes:
            kind = type(self.loss).__name__
            raise ConfigError(f"unit_decision: a score has no classes to vote for; take 'mean', found a loss {kind}")
        if not 0 <= self.weight < math.inf:
            raise ConfigError(f"weight: a number of 0 or more, found {self.weight}")


@dataclasses.dataclass
class Optimizer(Config):
    """How gradients become steps.

    Attributes:
        weight_decay: decoupled for adamw, added to the gradient (L2) otherwise.
        momentum: of sgd and rmsprop alone.
        clip_norm: the gradient's global norm is cut to it (0: never).
        accumulate: batches whose gradients make one step, by their mean: k batches of n examples step as one of k n, where
            each holds as much weight and nothing in the model mixes examples. What an epoch leaves over goes on in the next.
    """

    name: Literal["adam", "adamw", "sgd", "rmsprop"] = "adam"
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    momentum: float = 0.0
    clip_norm: float = 0.0
    accumulate: int = 1

    def check(self) -> None:
        for name in ("learning_rate", "weight_decay", "momentum", "clip_norm"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"{name}: a number of 0 or more, found {getattr(self, name)}")
        if self.accumulate < 1:
            raise ConfigError(f"accumulate: at least 1, found {self.accumulate}")
        if self.momentum and self.name in ("adam", "adamw"):
            raise ConfigError(f"momentum: {self.name} has moments of its own; leave it at 0, found {self.momentum}")


@dataclasses.dataclass
class Frozen(Config):
    """A part of the model that stands still in some epochs: no gradient, no update, no change of its statistics.

    What lies below it, between it and the features, is not computed backwards then. Its dropout and the batch
    statistics it normalises by go on as in training.

    Attributes:
        part: the path of its parameters from the top of the model, `image` or `image.stem`.
        first: the first epoch in which it stands still, from 0 on.
        until: the first epoch after that in which it learns again (0: never).
    """

    part: str = ""
    first: int = 0
    until: int = 0

    def check(self) -> None:
        if not self.part:
            raise ConfigError("part: name a part of the model, as its parameters are called")
        if self.first < 0 or (self.until and self.until <= self.first):
            raise ConfigError(f"until: an epoch after the first, {self.first}, or 0 for never, found {self.until}")

    def stands_in(self, epoch: int) -> bool:
        """Whether the part stands still in that epoch."""
        return self.first <= epoch and not 0 < self.until <= epoch


@dataclasses.dataclass
class Sampling(Config):
    """Which of the training examples an epoch has, drawn anew for each by the seed's `order` stream.

    What a seed knows of its whole training split stays so: normalisation, and the class weights of `Task`, which beside
    classes that are balanced here should be "equal".

    Attributes:
        per_recording: of each recording so many examples at most, drawn without replacement (0: all).
        balance: by the class of the first task. "undersample": of what `per_recording` left, each class has as many
            examples as the rarest, drawn without replacement. "oversample": there are as many examples as were left,
            equally many of each class (or one more, where they do not divide); those of a class come all equally often,
            or once more, which is drawn. Either leaves out examples whose class is not known.
    """

    per_recording: int = 0
    balance: Literal["none", "undersample", "oversample"] = "none"

    def check(self) -> None:
        if self.per_recording < 0:
            raise ConfigError(f"per_recording: 0 or more, found {self.per_recording}")

    @property
    def draws(self) -> bool:
        """Whether an epoch is anything else than every example once."""
        return bool(self.per_recording) or self.balance != "none"


@dataclasses.dataclass
class Training(Config):
    """How long one seed trains, and by what.

    Attributes:
        schedule: of the learning rate over the epochs, beside what follows from a plateau.
        monitor: the validation metric that chooses the epoch, stops and lowers the learning rate: `loss` or a name
            of jaxdep.statistics.metrics of the first task.
        select: report each seed's `best` epoch by `monitor`, or its `last`, for which no copy of the best one's parameters
            is held: under Adam a quarter of a seed's memory and of a checkpoint.
        patience: epochs without improvement before a seed stops (0: never).
        plateau_patience: epochs without improvement before the learning rate is multiplied by `plateau_factor` (0:
            never), down to `plateau_floor` times the first. A patience of 1 is much like the schedule `Newbob`.
        plateau_threshold: for the learning rate alone, an improvement counts from this share of the best value on.
        frozen: parts of the model that stand still in some epochs. Between two epochs where this changes lies the border
            of a phase, and each phase is compiled once.
        penalty_weight: of the model's own penalty in the loss, on top of what the model's config weighs it by.
        epochs_per_call: epochs inside one call of the compiled program; between calls the host logs and saves.
        checkpoint_every_s: seconds between two checkpoints at least (0: after every call).
        sampling: which examples an epoch has: every one once, unless it says otherwise.
    """

    epochs: int = 100
    batch_size: int = 32
    schedule: Schedule = dataclasses.field(default_factory=Constant)
    monitor: str = "loss"
    select: Literal["best", "last"] = "best"
    patience: int = 0
    plateau_patience: int = 0
    plateau_factor: float = 0.5
    plateau_floor: float = 1e-3
    plateau_threshold: float = 0.0
    penalty_weight: float = 1.0
    frozen: tuple[Frozen, ...] = ()
    epochs_per_call: int = 5
    checkpoint_every_s: float = 20.0
    sampling: Sampling = dataclasses.field(default_factory=Sampling)

    def check(self) -> None:
        for name in ("epochs", "batch_size", "epochs_per_call"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: at least 1, found {getattr(self, name)}")
        for name in ("patience", "plateau_patience", "checkpoint_every_s"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name}: 0 or more, found {getattr(self, name)}")
        if isinstance(self.schedule, Newbob) and self.plateau_patience:
            raise ConfigError(
                f"plateau_patience: Newbob lowers the learning rate by the scores; leave it at 0, found {self.plateau_patience}"
            )
        parts = [one.part for one in self.frozen]
        for part in parts:
            inner = [other for other in parts if other.startswith(f"{part}.")]
            if inner:
                raise ConfigError(f"frozen: {inner[0]!r} lies in {part!r}; name parts that lie apart")
        if not 0 <= self.plateau_threshold < 1:
            raise ConfigError(f"plateau_threshold: a share from 0 to below 1, found {self.plateau_threshold}")
        if not 0 <= self.penalty_weight < math.inf:
            raise ConfigError(f"penalty_weight: a number of 0 or more, found {self.penalty_weight}")
        for name in ("plateau_factor", "plateau_floor"):
            if not 0 < getattr(self, name) <= 1:
                raise ConfigError(f"{name}: a share above 0 and up to 1, found {getattr(self, name)}")

    def frozen_in(self, epoch: int) -> tuple[str, ...]:
        """The parts that stand still in an epoch."""
        return tuple(dict.fromkeys(one.part for one in self.frozen if one.stands_in(epoch)))

    def call_after(self, epoch: int) -> int:
        """The epoch before which the call that begins with `epoch` ends: no call reaches over the border of a phase."""
        borders = [border for one in self.frozen for border in (one.first, one.until) if border > epoch]
        return min([epoch + self.epochs_per_call, self.epochs, *borders])
