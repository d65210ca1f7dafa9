"""The stages of an experiment: rows that are scored, extractions, and analyses; each says what it needs of others."""

import dataclasses
from typing import Any, Literal

from input_pipeline.config import Config, ConfigError, field_names
from input_pipeline.features import Extracted
from jaxdep.config.published import Published
from jaxdep.config.settings import Data, Optimizer, Task, Training
from jaxdep.models import ModelConfig


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
        metrics: columns of the row, by their names in jaxdep.statistics.metrics; the first is the headline.
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
        for name, layout in source.model.takes().items():
            if name not in self.data.features:
                raise ConfigError(
                    f"data.features: {needed!r} takes {name!r}, there are {', '.join(self.data.features)}"
                )
            if layout != "sequence":
                raise ConfigError(
                    f"of: the model of {needed!r} takes {name!r} as {layout}; features are extracted by models that take "
                    "the frames of a segment, a sequence"
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
        metric: its name in jaxdep.statistics.metrics.
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
