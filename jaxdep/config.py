"""An experiment's config: typed dataclasses that a config file fills and the command line overrides.

A config file's `get_config()` returns an `Experiment`. Every field can be overridden by its path,
`--config.seeds.count=100` or `--config.stages.text.training.epochs=5`; a wrong path or type is one line.
"""

import copy
import dataclasses
import math
from typing import Any, Literal

from input_pipeline.batching import Arrangement
from input_pipeline.config import Config, ConfigError, field_names
from input_pipeline.features import Extracted, Feature
from jaxdep.models import ModelConfig
from jaxdep.report.published import Published

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


@dataclasses.dataclass
class Task(Config):
    """One output of a model and its loss; tasks of one model are summed by weight.

    Attributes:
        loss: `cross_entropy` for a label with classes; `huber` or `squared` for a score.
        weight: in the sum over tasks.
        balanced: weigh the classes inversely to their count in the seed's training split.
        huber_delta: where the Huber loss turns from quadratic to linear.
        center: of a score, added to what the model says: the middle of its scale, so that learning need not find it.
    """

    loss: Literal["cross_entropy", "huber", "squared"] = "cross_entropy"
    weight: float = 1.0
    balanced: bool = True
    huber_delta: float = 1.0
    center: float = 0.0

    def check(self) -> None:
        if not 0 <= self.weight < math.inf:
            raise ConfigError(f"weight: a number of 0 or more, found {self.weight}")
        if not math.isfinite(self.center) or (self.center and self.loss == "cross_entropy"):
            raise ConfigError(f"center: a number, and 0 where the label has classes, found {self.center}")
        if not 0 < self.huber_delta < math.inf:
            raise ConfigError(f"huber_delta: a number above 0, found {self.huber_delta}")


@dataclasses.dataclass
class Optimizer(Config):
    """How gradients become steps.

    Attributes:
        weight_decay: decoupled for adamw, added to the gradient (L2) otherwise.
        momentum: of sgd and rmsprop alone.
        clip_norm: the gradient's global norm is cut to it (0: never).
    """

    name: Literal["adam", "adamw", "sgd", "rmsprop"] = "adam"
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    momentum: float = 0.0
    clip_norm: float = 0.0

    def check(self) -> None:
        for name in ("learning_rate", "weight_decay", "momentum", "clip_norm"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"{name}: a number of 0 or more, found {getattr(self, name)}")
        if self.momentum and self.name in ("adam", "adamw"):
            raise ConfigError(f"momentum: {self.name} has moments of its own; leave it at 0, found {self.momentum}")


@dataclasses.dataclass
class Training(Config):
    """The schedule of one seed.

    Attributes:
        monitor: the validation metric that chooses the epoch, stops and lowers the learning rate: `loss` or a name
            of jaxdep.metrics of the first task.
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


@dataclasses.dataclass
class StageConfig(Config):
    """What every stage has.

    Attributes:
        label: what it is called in the report; rows of scores each have their own.
        section: the heading under which the report has it.
        note: a line under the table.
    """

    label: str = ""
    section: str = ""
    data: Data = dataclasses.field(default_factory=Data)
    note: str = ""

    def needs(self) -> tuple[str, ...]:
        """The stages whose results this one reads."""
        return tuple(feature.stage for feature in self.data.features.values() if isinstance(feature, Extracted))

    def check_need(self, needed: str, source: "StageConfig") -> None:
        """Raises ConfigError where one of the stages that it needs is not what it can use."""
        _check_kind("data.features", needed, source, ExtractStage)
        _check_alike(self, needed, source, ("corpus", "classes", "scores", "stand_in"))


@dataclasses.dataclass
class ScoredStage(StageConfig):
    """A stage whose decisions are scored: a row of the table.

    Attributes:
        tasks: by the name of a label; the first one is what the row scores.
        metrics: columns of the row, by their names in jaxdep.metrics; the first is the headline.
        report: the splits that are reported.
        published: the paper's figures for this row.
    """

    tasks: dict[str, Task] = dataclasses.field(default_factory=dict)
    metrics: tuple[str, ...] = ("f1", "accuracy", "unweighted_accuracy", "f1_macro")
    report: tuple[Literal["validation", "test"], ...] = ("test",)
    published: tuple[Published, ...] = ()

    def check(self) -> None:
        if not self.tasks:
            raise ConfigError("tasks: at least one task is needed")


@dataclasses.dataclass
class Further(Config):
    """A further row of a stage that trains: decisions scored against another label than the first task's.

    Attributes:
        label: the row's name, behind that of the stage.
        against: the label of the corpus.
        task: whose decisions are scored; another one than `against` must have as many classes.
    """

    label: str = ""
    against: str = ""
    task: str = ""
    metrics: tuple[str, ...] = ()
    published: tuple[Published, ...] = ()


@dataclasses.dataclass
class TrainStage(ScoredStage):
    """Trains one model over all seeds.

    Attributes:
        score_windows: whether the windows that recordings are cut into are scored too, in a row of their own.
        further: rows of other tasks, or of the first one against another label.
    """

    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    optimizer: Optimizer = dataclasses.field(default_factory=Optimizer)
    training: Training = dataclasses.field(default_factory=Training)
    score_windows: bool = False
    further: tuple[Further, ...] = ()

    def check(self) -> None:
        super().check()
        for index, row in enumerate(self.further):
            if row.task not in self.tasks:
                raise ConfigError(f"further[{index}].task: {row.task!r} is none of the tasks {', '.join(self.tasks)}")
            if row.against == next(iter(self.tasks)) or [one.against for one in self.further].count(row.against) > 1:
                raise ConfigError(f"further[{index}].against: {row.against!r} is scored in another row already")


@dataclasses.dataclass
class Missing(Config):
    """One modality that some participants lack.

    Attributes:
        of: what is missing: a feature, or the stage that decides from it.
        share: of the test split's participants who have the label, rounded to whole ones.
        seed: of the draw; the same participants for all seeds and for all stages that name the same one.
    """

    of: str = ""
    share: float = 0.0
    seed: int = 0

    def check(self) -> None:
        if not 0 <= self.share <= 1:
            raise ConfigError(f"share: of the participants, from 0 to 1, found {self.share}")


@dataclasses.dataclass
class EvaluateStage(ScoredStage):
    """Applies the seeds that another stage trained to the same data, changed.

    Attributes:
        of: the stage that trained.
        missing: features that are masked for some participants of the test split.
    """

    of: str = ""
    missing: tuple[Missing, ...] = ()

    def needs(self) -> tuple[str, ...]:
        return (*super().needs(), self.of)

    def check_need(self, needed: str, source: StageConfig) -> None:
        if needed != self.of:
            super().check_need(needed, source)
            return
        _check_kind("of", needed, source, TrainStage)
        _check_tasks(self, needed, source)
        _check_alike(self, needed, source, tuple(field_names(self.data)))

    def check(self) -> None:
        super().check()
        _check_missing(self.missing, tuple(self.data.features), self.report)


@dataclasses.dataclass
class FuseStage(ScoredStage):
    """Decides from the probabilities of other stages (decision-level fusion).

    What is fitted here (temperatures, weights, the stacked regression) is fitted to each seed's decisions on the
    validation split. A recording is decided from the members that have a decision for it.

    Attributes:
        members: the stages; one alone is calibrated and nothing else.
        rule: `mean`, `product` (normalised) or `max` (normalised) of the probabilities; `weighted`: their mean by the
            members' validation scores; `stacked`: a logistic regression on their log-odds; `vote`: the majority of their
            decisions, where they are divided equally that with the larger mean probability.
        seeds: `each`: seed i of every member makes the fusion's seed i. `best`: one fusion, of each member's seed that
            scores best on the validation split; `all`: one fusion, of all seeds of all members. These two are reported
            as one seed, 0.
        calibration: `temperature`: each member's log-probabilities are divided by the number that makes its validation
            decisions likeliest (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017).
        weight_by: the validation metric that weighs the members under `weighted`, and chooses the `best` seeds.
        missing: members whose decisions are left out for some participants of the test split.
    """

    members: tuple[str, ...] = ()
    rule: Literal["mean", "product", "max", "weighted", "stacked", "vote"] = "mean"
    seeds: Literal["each", "best", "all"] = "each"
    calibration: Literal["none", "temperature"] = "temperature"
    weight_by: Literal["unweighted_accuracy", "accuracy", "f1_macro", "f1"] = "unweighted_accuracy"
    missing: tuple[Missing, ...] = ()

    def needs(self) -> tuple[str, ...]:
        return (*super().needs(), *self.members)

    def check_need(self, needed: str, source: StageConfig) -> None:
        if needed not in self.members:
            super().check_need(needed, source)
            return
        _check_kind("members", needed, source, TrainStage, EvaluateStage)
        _check_tasks(self, needed, source)
        _check_alike(self, needed, source, ("corpus", "classes", "scores", "stand_in", "splits"))

    def check(self) -> None:
        super().check()
        if not self.members or len(set(self.members)) < len(self.members):
            raise ConfigError(f"members: one stage or more, each once, found {self.members!r}")
        splits = self.data.splits
        if self.seeds == "best" and not (splits.validation or splits.validation_fraction):
            raise ConfigError("seeds: the best are chosen on the validation split; there is none")
        _check_missing(self.missing, self.members, self.report)


def _check_missing(missing: tuple[Missing, ...], known: tuple[str, ...], report: tuple[str, ...]) -> None:
    lacked = [one.of for one in missing]
    for name in lacked:
        if name not in known or lacked.count(name) > 1:
            raise ConfigError(f"missing: each names another of {', '.join(known)}, found {lacked}")
    if missing and report != ("test",):
        raise ConfigError(f"report: modalities are missing in the test split alone; report that alone, found {report}")


@dataclasses.dataclass
class BaselineStage(ScoredStage):
    """A reference without seeds: a trivial classifier, the training split's median of a score, an SVM on mean and standard
    deviation of the features, or a logistic regression on their mean."""

    kind: Literal["majority", "all_positive", "gender", "median", "svm", "logistic"] = "majority"

    def check(self) -> None:
        super().check()
        task = next(iter(self.tasks))
        if (self.kind == "median") != (self.tasks[task].loss != "cross_entropy"):
            what = "a score, whose baseline is the median" if self.kind != "median" else "a label with classes"
            raise ConfigError(f"kind: {self.kind!r} does not fit {task!r}, by its loss {what}")


@dataclasses.dataclass
class ExtractStage(StageConfig):
    """Applies one seed of a trained model to every segment of other recordings, and keeps what a layer of it says.

    A segment is to the model what an example was in training: its frames, cut at the same length, standardised as the
    model's own training split was. `data.arrangements` have no part in that.

    Attributes:
        of: the stage that trained.
        layer: which of `Outputs.intermediates`, [B, D].
        seed: the global id of the seed; None: that with the best monitored validation metric at its reported epoch.
    """

    of: str = ""
    layer: str = "emotion"
    seed: int | None = None

    def needs(self) -> tuple[str, ...]:
        return (*super().needs(), self.of)

    def check_need(self, needed: str, source: StageConfig) -> None:
        if needed != self.of:
            super().check_need(needed, source)
            return
        _check_kind("of", needed, source, TrainStage)
        assert isinstance(source, TrainStage)
        for name, axes in source.model.axes().items():
            if name not in self.data.features:
                raise ConfigError(
                    f"data.features: {needed!r} takes {name!r}, there are {', '.join(self.data.features)}"
                )
            if axes != 1:
                raise ConfigError(
                    f"of: the model of {needed!r} takes {name!r} of {axes} axes; features are extracted by models that take "
                    "the frames of a segment, one axis"
                )
            # Which stretches a feature is taken from may differ between corpora; what it is must not.
            ours, theirs = (one.data.features[name].as_dict() | {"segmentation": None} for one in (self, source))
            if ours != theirs:
                raise ConfigError(f"data.features.{name}: it differs from that on which {needed!r} was trained")


@dataclasses.dataclass
class AnalyseStage(StageConfig):
    """Base of the stages that look at what emotion models say of recordings, and decide nothing.

    Attributes:
        of: the stages that applied them (`ExtractStage`), of the same data.
        group_by: the label that divides the recordings.
    """

    of: tuple[str, ...] = ()
    group_by: str = "depressed"

    def needs(self) -> tuple[str, ...]:
        return (*super().needs(), *self.of)

    def check_need(self, needed: str, source: StageConfig) -> None:
        _check_kind("of", needed, source, ExtractStage)
        _check_alike(self, needed, source, ("corpus", "classes", "scores", "stand_in"))


@dataclasses.dataclass
class ProfileStage(AnalyseStage):
    """Means of the emotion models' outputs over all segments of a group, with intervals over participants.

    Attributes:
        split: whose recordings; the corpus's own name.
    """

    split: str = "train"


@dataclasses.dataclass
class CaseStudyStage(AnalyseStage):
    """Single participants, segment by segment: what an audio model and a text model say, and where they disagree.

    Attributes:
        of: the two stages, audio first.
        participants: who; empty: the `count` of `group` in `split` with the largest share of segments in disagreement.
        words: whether the page shows what was said. Licences of real corpora forbid to pass it on, and pages are.
    """

    participants: tuple[str, ...] = ()
    count: int = 2
    group: str = "depressed"
    split: str = "train"
    words: bool = False

    def check(self) -> None:
        if len(self.of) != 2:
            raise ConfigError(f"of: two stages, the audio model's and the text model's, found {self.of!r}")
        if self.count < 1:
            raise ConfigError(f"count: at least one participant, found {self.count}")


@dataclasses.dataclass
class AttentionStage(StageConfig):
    """The rows of a trained model's attention on examples of the test split.

    Attributes:
        of: the stage that trained; `data` is that stage's.
        seed: as in `ExtractStage`.
        shown: examples whose rows are drawn; the means are over all of the split.
    """

    of: str = ""
    seed: int | None = None
    shown: int = 3

    def needs(self) -> tuple[str, ...]:
        return (*super().needs(), self.of)

    def check_need(self, needed: str, source: StageConfig) -> None:
        _check_kind("of", needed, source, TrainStage)
        _check_alike(self, needed, source, tuple(field_names(self.data)))


@dataclasses.dataclass
class StabilityStage(StageConfig):
    """The spread of some rows over the seeds against that of others, on the test split.

    Attributes:
        rows, against: stages whose decisions are scored, of the same participants.
        metric: its name in jaxdep.metrics.
    """

    rows: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    metric: str = "f1"

    def needs(self) -> tuple[str, ...]:
        return (*super().needs(), *self.rows, *self.against)

    def check_need(self, needed: str, source: StageConfig) -> None:
        _check_kind("rows", needed, source, ScoredStage)
        assert isinstance(source, ScoredStage)
        if self.metric not in source.metrics:
            raise ConfigError(
                f"metric: {needed!r} is not scored by {self.metric!r}, but by {', '.join(source.metrics)}"
            )
        _check_alike(self, needed, source, ("corpus", "classes", "scores", "stand_in", "splits"))

    def check(self) -> None:
        if not self.rows or not self.against or set(self.rows) & set(self.against):
            raise ConfigError(f"rows: one stage or more against one or more others, found {self.rows}, {self.against}")


Stage = (
    TrainStage
    | BaselineStage
    | EvaluateStage
    | FuseStage
    | ExtractStage
    | ProfileStage
    | CaseStudyStage
    | AttentionStage
    | StabilityStage
)


@dataclasses.dataclass
class Experiment(Config):
    """One published table or figure: its stages in order, and what the page says of it."""

    name: str = ""
    title: str = ""
    description: str = ""
    system: str = ""
    source: str = ""
    seeds: Seeds = dataclasses.field(default_factory=Seeds)
    mapping: Mapping = dataclasses.field(default_factory=Mapping)
    stages: dict[str, Stage] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Gives every stage its own copy of what they share, so that overriding one stage leaves the others alone."""
        self.stages = {name: copy.deepcopy(stage) for name, stage in self.stages.items()}

    def check(self) -> None:
        if not self.stages:
            raise ConfigError("stages: the experiment has none")
        labels = [stage.label for stage in self.stages.values() if isinstance(stage, ScoredStage)]
        for name, stage in self.stages.items():
            if isinstance(stage, ScoredStage) and labels.count(stage.label) > 1:
                raise ConfigError(f"stages.{name}.label: {stage.label!r} is the label of another stage too")
            if not name.replace("_", "").isalnum():
                raise ConfigError(f"stages: {name!r} names a folder: use letters, digits and _")
            self._check_one(stage, f"stages.{name}")
        self._check_needs()

    def _check_one(self, stage: Stage, path: str) -> None:
        """What a stage alone, or the stages before it, cannot tell."""
        if isinstance(stage, ExtractStage | AttentionStage) and stage.seed is not None:
            ids = range(self.seeds.first, self.seeds.first + self.seeds.count)
            if stage.seed not in ids:
                raise ConfigError(f"{path}.seed: {stage.seed} is none of the seeds {ids.start} to {ids.stop - 1}")
        if isinstance(stage, AnalyseStage):
            names = [self.stages[name].label for name in stage.of if name in self.stages]
            if len(set(names)) < len(names):
                raise ConfigError(f"{path}.of: two of these stages have one label, {names}; give each its own")

    def _check_needs(self) -> None:
        before: dict[str, StageConfig] = {}
        for name, stage in self.stages.items():
            for needed in stage.needs():
                if needed not in before:
                    known = ", ".join(before) or "none"
                    raise ConfigError(f"stages.{name}: it needs {needed!r}; the stages before it are {known}")
                try:
                    stage.check_need(needed, before[needed])
                except ConfigError as error:
                    raise ConfigError(f"stages.{name}.{error}") from None
            before[name] = stage


def _check_kind(field: str, needed: str, source: StageConfig, *kinds: type[StageConfig]) -> None:
    if not isinstance(source, kinds):
        wanted = " or ".join(kind.__name__ for kind in kinds)
        raise ConfigError(f"{field}: {needed!r} is a {type(source).__name__}; name a {wanted}")


def _check_tasks(stage: ScoredStage, needed: str, source: StageConfig) -> None:
    assert isinstance(source, ScoredStage)
    if list(stage.tasks) != list(source.tasks):
        raise ConfigError(f"tasks: {[*stage.tasks]}, those of {needed!r} are {[*source.tasks]}")


def _check_alike(stage: StageConfig, needed: str, source: StageConfig, parts: tuple[str, ...]) -> None:
    ours, theirs = stage.data.as_dict(), source.data.as_dict()
    for part in parts:
        if ours[part] != theirs[part]:
            raise ConfigError(f"data.{part}: it differs from that of {needed!r}; set both alike")


def trivial_baselines(
    data: Data, tasks: dict[str, Task], *, genders: bool = True, binary: bool = True, **row: Any
) -> dict[str, BaselineStage]:
    """The rows that stand beside every detector: majority, all-positive, and gender-only where genders are known.

    Args:
        genders: whether the corpus knows them.
        binary: whether the task has a positive class.
        row: what else the stages share (`metrics`, `report`).
    """
    kinds = {"majority": "Majority class", "all_positive": "All positive", "gender": "Gender only"}
    if not genders:
        del kinds["gender"]
    if not binary:
        del kinds["all_positive"]
    return {
        kind: BaselineStage(label=label, kind=kind, data=data, tasks=tasks, **row)  # type: ignore[arg-type]
        for kind, label in kinds.items()
    }
