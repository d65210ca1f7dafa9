"""What stages are told: seeds and their mapping, the data and its splits, tasks, optimiser and schedule."""

import dataclasses
import math
from typing import Literal

from input_pipeline.batching import Arrangement
from input_pipeline.config import Config, ConfigError
from input_pipeline.features import Computed, Extracted, Feature
from jaxdep.config.schedules import Constant, Schedule
from jaxdep.losses import CrossEntropy, Loss

STREAMS = ("init", "order", "dropout", "split")


@dataclasses.dataclass
class Seeds(Config):
    """Which seeds are trained, and what differs between them.

    Attributes:
        count, first: the global seed ids are first, ..., first + count - 1; a chunk of a sweep is another `first`.
        root: the key of the whole sweep; seed i of one root never equals seed i of another.
        vary: the random streams that differ between seeds; the others are those of seed 0 for all.
    """

    count: int = 20
    first: int = 0
    root: int = 0
    vary: tuple[str, ...] = STREAMS

    def check(self) -> None:
        if self.count < 1:
            raise ConfigError(f"count: at least one seed is needed, found {self.count}")
        if self.first < 0:
            raise ConfigError(f"first: seed ids start at 0, found {self.first}")
        unknown = set(self.vary) - set(STREAMS)
        if unknown:
            raise ConfigError(
                f"vary: no random stream is called {sorted(unknown)[0]!r}; there are {', '.join(STREAMS)}"
            )


@dataclasses.dataclass
class Mapping(Config):
    """How the seed axis is laid on the devices; results agree to rounding whatever stands here.

    Attributes:
        mapper: `vmap` trains all seeds of a device as one batch; `map` one group of `group` seeds after another
            inside the compiled program (`lax.map`); `loop` one seed after another from the host; `pmap` is `map`
            under `jax.pmap`; `auto` times vmap, map and loop for a few steps and keeps the
            fastest, also for later runs of the same program on such devices.
        group: seeds at a time under `map` and `pmap`.
        data_shards: devices that share one seed's batch; the other devices share the seeds. Each draws the dropout of
            its own share, so that here alone the number of devices changes what a seed draws.
        resident_gb: features that take more on a device stay on the host, which hands them over batch by batch (0: half
            of the device's memory; the devices of a CPU share the machine's). Each seed's own batches travel, unless all
            seeds train on the same participants in one order: leave `order` out of `Seeds.vary`, and each travels once.
    """

    mapper: Literal["auto", "vmap", "map", "pmap", "loop"] = "auto"
    group: int = 1
    data_shards: int = 1
    resident_gb: float = 0.0

    def check(self) -> None:
        if not 0 <= self.resident_gb < math.inf:
            raise ConfigError(f"resident_gb: a number of 0 or more, found {self.resident_gb}")
        for name in ("group", "data_shards"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: at least 1, found {getattr(self, name)}")


@dataclasses.dataclass
class Splits(Config):
    """Who trains, who validates, who is reported: always whole participants.

    Attributes:
        by: `split` lists the corpus's own split names below, `participant` lists participants.
        train: an empty tuple with `by="participant"` means everybody who is not listed elsewhere.
        validation: chooses the epoch, stops training, lowers the learning rate.
        test: reported only.
        validation_fraction: if validation is empty, this share of the training participants, drawn by each seed's
            `split` stream, and stratified by the first task's label where each participant is of one class.
    """

    by: Literal["split", "participant"] = "split"
    train: tuple[str, ...] = ("train",)
    validation: tuple[str, ...] = ("dev",)
    test: tuple[str, ...] = ("test",)
    validation_fraction: float = 0.0

    def check(self) -> None:
        if not 0 <= self.validation_fraction < 1:
            raise ConfigError(
                f"validation_fraction: a share of the training participants, found {self.validation_fraction}"
            )
        if self.validation and self.validation_fraction:
            raise ConfigError("validation_fraction: give either it or the names in `validation`, not both")
        parts = [*self.train, *self.validation, *self.test]
        twice = sorted({name for name in parts if parts.count(name) > 1})
        if twice:
            raise ConfigError(f"test: {twice[0]!r} is listed twice; nobody may stand in two splits")


@dataclasses.dataclass
class StandIn(Config):
    """The stand-in corpus that is written where `Data.stand_in` asks for one (input_pipeline/synthesis).

    Attributes:
        emotion: of interviews: how far the speakers' turns have emotions, which depend on the label (0: they have none).
    """

    sessions: int = 120
    effect: float = 1.0
    seed: int = 0
    emotion: float = 0.0


@dataclasses.dataclass
class Data(Config):
    """What a stage reads.

    Attributes:
        corpus: the folder's name below `--data_dir`, or `manifest:FILE.csv`.
        classes, scores: of a manifest alone: its label columns, those with classes (in the order of their indices) and
            those that are numbers.
        stand_in: read a synthetic corpus of the same layout instead of the real one, and write it if need be.
        features, arrangements: by feature name, how it is computed, and how it is laid out as an example.
        unnormalized: features that are taken as they are. Of all others the mean is subtracted and the standard
            deviation divided out, dimension by dimension, both of each seed's training split alone.
        file_format: of the shards; `array_record` can be read where TensorFlow is not installed.
    """

    corpus: str = "daic_woz"
    classes: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    scores: tuple[str, ...] = ()
    stand_in: StandIn | None = None
    features: dict[str, Feature] = dataclasses.field(default_factory=dict)
    arrangements: dict[str, Arrangement] = dataclasses.field(default_factory=dict)
    splits: Splits = dataclasses.field(default_factory=Splits)
    unnormalized: tuple[str, ...] = ()
    file_format: Literal["tfrecord", "array_record"] = "tfrecord"

    def check(self) -> None:
        if not self.features:
            raise ConfigError("features: at least one feature is needed")
        if set(self.features) != set(self.arrangements):
            raise ConfigError(
                f"arrangements: has {sorted(self.arrangements)}, the features are {sorted(self.features)}"
            )
        for name in self.unnormalized:
            if name not in self.features:
                raise ConfigError(f"unnormalized: there is no feature {name!r}; there are {', '.join(self.features)}")

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
    """

    loss: Loss = dataclasses.field(default_factory=CrossEntropy)
    weight: float = 1.0
    class_weights: Literal["balanced", "equal"] = "balanced"

    def check(self) -> None:
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
class Training(Config):
    """How long one seed trains, and by what.

    Attributes:
        schedule: of the learning rate over the epochs, beside what follows from a plateau.
        monitor: the validation metric that chooses the epoch, stops and lowers the learning rate: `loss` or a name
            of jaxdep.statistics.metrics of the first task.
        select: report each seed's `best` epoch by `monitor`, or its `last`.
        patience: epochs without improvement before a seed stops (0: never).
        plateau_patience: epochs without improvement before the learning rate is multiplied by `plateau_factor` (0:
            never), down to `plateau_floor` times the first. Newbob, as HTK and Kaldi have it, is a patience of 1.
        plateau_threshold: for the learning rate alone, an improvement counts from this share of the best value on.
        epochs_per_call: epochs inside one call of the compiled program; between calls the host logs and saves.
        checkpoint_every_s: seconds between two checkpoints at least (0: after every call).
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
    epochs_per_call: int = 5
    checkpoint_every_s: float = 20.0

    def check(self) -> None:
        for name in ("epochs", "batch_size", "epochs_per_call"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: at least 1, found {getattr(self, name)}")
        for name in ("patience", "plateau_patience", "checkpoint_every_s"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name}: 0 or more, found {getattr(self, name)}")
        if not 0 <= self.plateau_threshold < 1:
            raise ConfigError(f"plateau_threshold: a share from 0 to below 1, found {self.plateau_threshold}")
        for name in ("plateau_factor", "plateau_floor"):
            if not 0 < getattr(self, name) <= 1:
                raise ConfigError(f"{name}: a share above 0 and up to 1, found {getattr(self, name)}")
