"""What every kind of stage is asked, with the answers that most give, and the checks that several share."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from input_pipeline.config import Config, ConfigError
from jaxdep.config.labels import Labels
from jaxdep.config.published import Published
from jaxdep.config.rows import Exhibit, Row
from jaxdep.config.settings import Data, Seeds, Task

LEAKS = "LEAKY: examples were divided, not participants; who is tested was also trained on."
CORPUS = ("corpus", "classes", "scores", "levels", "stand_in")  # of `Data`: what stages over the same recordings share


@dataclasses.dataclass
class StageConfig(Config):
    """What every stage has.

    A kind decorates its class with `@dataclasses.dataclass`, names a `runner`, and overrides what it answers otherwise.

    Attributes:
        label: what it is called in the report; rows of scores each have their own.
        section: the heading under which the report has it.
        note: a line under the table.
        runner: "package.module:function" of what runs it, called with the config and a `jaxdep.stages.StageRun`. A name,
            so that who reads configs loads nothing that trains or draws.
        only_shown: fields that are only shown, and change no result.
        extracts: whether it leaves features that other stages read (`Extracted`).
        trainer: of a kind that trains seeds: what trains them and does no more, named and called as `runner` is. Chunks
            of a sweep call it; their join calls the runner.
    """

    runner: ClassVar[str] = ""
    trainer: ClassVar[str] = ""
    only_shown: ClassVar[tuple[str, ...]] = ("label", "section", "note")
    extracts: ClassVar[bool] = False

    label: str = ""
    section: str = ""
    data: Data = dataclasses.field(default_factory=Data)
    note: str = ""

    @property
    def title(self) -> str:
        """The label as it is shown."""
        return f"{self.label} (LEAKY)" if self.data.splits.leaky else self.label

    def needs(self) -> tuple[str, ...]:
        """The stages whose results this one reads."""
        return tuple(feature.stage for feature in self.data.extracted.values())

    def needs_all(self) -> tuple[str, ...]:
        """Those of them that train seeds, of which each seed here reads not the same one there, but one of all."""
        return ()

    @property
    def chooses(self) -> bool:
        """Whether all its seeds together decide which of the things that each has trained is reported."""
        return False

    def check_need(self, needed: str, source: "StageConfig") -> None:
        """Raises ConfigError where one of the stages that it needs is not what it can use."""
        if not source.extracts:
            raise ConfigError(
                f"data.features: {needed!r} is a {type(source).__name__}; name a stage that extracts features"
            )
        check_alike(self, needed, source, CORPUS)

    def check_within(self, seeds: Seeds, stages: Mapping[str, "StageConfig"]) -> None:
        """Raises ConfigError where it does not fit the experiment's seeds, or one of all its stages."""

    def check_labels(self, labels: Labels) -> None:
        """Raises ConfigError for what its corpus cannot give, as far as that is known without the corpus."""

    def metadata(self) -> tuple[str, ...]:
        """The entries of metadata that each recording must have."""
        return ()

    def results(self, stages: Mapping[str, "StageConfig"]) -> dict[str, Any]:
        """What of the config its results depend on, as JSON; where it changes, the stage is run again.

        Args:
            stages: all of the experiment, for a stage that writes something of the config of others.
        """
        return {name: value for name, value in self.compact().items() if name not in self.only_shown}

    def grows(self) -> bool:
        """Whether its seeds are trained each by itself, so that further ones join those that are there."""
        return False

    def files(self) -> tuple[Path, ...]:
        """The files, beside its data's, on whose content its results depend."""
        return ()

    def epochs_selected(self, stages: Mapping[str, "StageConfig"]) -> bool:
        """Whether epochs were chosen on the validation split."""
        return False

    def table_rows(self, finished: "Finished") -> list[Row]:
        """Its rows of scores."""
        return []

    def exhibits(self, finished: "Finished") -> list[Exhibit]:
        """What it shows besides scores."""
        return []

    def origin(self, finished: "Finished") -> str:
        """A sentence that belongs under whatever is made from its features."""
        return ""

    def remarks(self, finished: "Finished") -> str:
        """What must be known of its results: its note, leaks, where its features come from, what its runner remarked."""
        origins = (finished.stages[name].origin(finished.other(name)) for name in self.needs())
        leaks = LEAKS if self.data.splits.leaky else ""
        return " ".join(filter(None, (self.note, leaks, *origins, finished.record.get("remark", ""))))

    def exhibit(self, kind: str, finished: "Finished") -> Exhibit:
        """An exhibit of a kind of `jaxdep.report.exhibits`, made from the stage's files and called by its label."""
        return Exhibit(kind, finished.name, self.title, self.section, self.remarks(finished))


@dataclasses.dataclass(frozen=True)
class Finished:
    """A stage that has run.

    Attributes:
        stages: the configs of all stages of the experiment.
        records: what each left in its stage.json.
    """

    name: str
    stages: Mapping[str, StageConfig]
    records: Mapping[str, Mapping[str, Any]]

    @property
    def record(self) -> Mapping[str, Any]:
        """The stage's own."""
        return self.records[self.name]

    def other(self, name: str) -> "Finished":
        """Another stage of the experiment."""
        return dataclasses.replace(self, name=name)


@dataclasses.dataclass
class ScoredStage(StageConfig):
    """A stage whose decisions are scored: a row of the table.

    Attributes:
        tasks: by the name of a label; the first one is what the row scores.
        metrics: columns of the row, by their names in jaxdep.statistics.metrics; the first is the headline.
        report: the splits that are reported.
        published: the paper's figures for this row.
    """

    only_shown: ClassVar[tuple[str, ...]] = (*StageConfig.only_shown, "published", "report")

    tasks: dict[str, Task] = dataclasses.field(default_factory=dict)
    metrics: tuple[str, ...] = ("f1", "accuracy", "unweighted_accuracy", "f1_macro")
    report: tuple[Literal["validation", "test"], ...] = ("test",)
    published: tuple[Published, ...] = ()

    @property
    def task(self) -> str:
        """The label that the row scores."""
        return next(iter(self.tasks))

    @property
    def scores_windows(self) -> bool:
        """Whether windows have a row of their own."""
        return False

    def check(self) -> None:
        if not self.tasks:
            raise ConfigError("tasks: at least one task is needed")
        for index, figure in enumerate(self.published):
            if figure.windows and not self.scores_windows:
                raise ConfigError(f"published[{index}].windows: no windows are scored here; leave it out, found True")

    def check_within(self, seeds: Seeds, stages: Mapping[str, StageConfig]) -> None:
        labels = [stage.label for stage in stages.values() if isinstance(stage, ScoredStage)]
        if labels.count(self.label) > 1:
            raise ConfigError(f"label: {self.label!r} is the label of another stage too")

    def check_labels(self, labels: Labels) -> None:
        for name, task in self.tasks.items():
            labels.check_task(name, task)
        labels.check_metrics("metrics", self.task, self.metrics)
        labels.check_metrics("published", self.task, [name for figure in self.published for name in figure.metrics])

    def results(self, stages: Mapping[str, StageConfig]) -> dict[str, Any]:
        found = super().results(stages)
        return found | {"tasks": list(found["tasks"].items())}  # in their order: the first is the one that is scored

    def table_rows(self, finished: Finished) -> list[Row]:
        return [row.of_split(split) for row in self.scored(finished) for split in self.report]

    def scored(self, finished: Finished) -> list[Row]:
        """Its rows, each of which is shown for every split that is reported."""
        row = Row(
            stage=finished.name,
            label=self.title,
            section=self.section,
            split="",
            metrics=self.metrics,
            published=tuple(figure for figure in self.published if not figure.windows),
            note=self.remarks(finished),
            selected_on="validation" if self.epochs_selected(finished.stages) else "",
            split_names=self.data.split_names,
            **target(self.task, finished),
        )
        return [row]


def target(label: str, finished: Finished) -> dict[str, Any]:
    """The fields of a row that is scored against a label."""
    classes = tuple(finished.record["classes"].get(label, ()))
    return {"target": label, "classes": classes, "positive": classes[1] if len(classes) == 2 else None}


def check_kind(field: str, needed: str, source: StageConfig, *kinds: type[StageConfig]) -> None:
    """Raises ConfigError where a field names a stage of another kind than those."""
    if not isinstance(source, kinds):
        wanted = " or ".join(kind.__name__ for kind in kinds)
        raise ConfigError(f"{field}: {needed!r} is a {type(source).__name__}; name a {wanted}")


def check_tasks(stage: ScoredStage, needed: str, source: StageConfig) -> None:
    """Raises ConfigError where a stage has not the tasks of the one that it needs."""
    assert isinstance(source, ScoredStage)  # check_kind
    if list(stage.tasks) != list(source.tasks):
        raise ConfigError(f"tasks: {[*stage.tasks]}, those of {needed!r} are {[*source.tasks]}")


def check_alike(stage: StageConfig, needed: str, source: StageConfig, parts: tuple[str, ...]) -> None:
    """Raises ConfigError where parts of a stage's data are not those of the one that it needs."""
    ours, theirs = stage.data.as_dict(), source.data.as_dict()
    for part in parts:
        if ours[part] != theirs[part]:
            raise ConfigError(f"data.{part}: it differs from that of {needed!r}; set both alike")


def check_seed(seed: int | None, seeds: Seeds) -> None:
    """Raises ConfigError where a stage names a seed that is not trained, in a chunk anywhere in its sweep."""
    trained = dataclasses.replace(seeds, first=0, count=seeds.of) if seeds.of else seeds
    if seed is not None and seed not in trained.ids:
        raise ConfigError(f"seed: {seed} is none of the seeds {trained.told}")


def labels_of(names: tuple[str, ...], stages: Mapping[str, StageConfig]) -> dict[str, Any]:
    """For `results` of a kind that writes the labels of the stages that it reads into its files."""
    return {"labels": [stages[name].label for name in names]}
