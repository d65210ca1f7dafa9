"""Decision-level fusion of stages that decide."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from input_pipeline.config import ConfigError
from jaxdep.config.labels import Labels
from jaxdep.config.rows import CsvFile, Exhibit
from jaxdep.config.stages.base import (
    CORPUS,
    Finished,
    ScoredStage,
    StageConfig,
    check_alike,
    check_kind,
    check_tasks,
    labels_of,
)
from jaxdep.config.stages.evaluate import EvaluateStage
from jaxdep.config.stages.missing import Missing, check_missing, draws_of
from jaxdep.config.stages.train import TrainStage

CONFLICTS = CsvFile(
    "conflicts.csv", ("seed", "split", "member", "recordings", "conflicts", "right", "followed", "vote_right")
)


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
            scores best on the validation split (where each seed draws who validates, on its own: the page says so); `all`:
            one fusion, of all seeds of all members. These two are reported as one seed, 0.
        calibration: `temperature`: each member's log-probabilities are divided by the number that makes its validation
            decisions likeliest (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017).
        weight_by: the validation metric that weighs the members under `weighted`, and chooses the `best` seeds.
        missing: members whose decisions are left out for some participants of the test split.
    """

    runner: ClassVar[str] = "jaxdep.stages.fuse:run"
    only_shown: ClassVar[tuple[str, ...]] = (*StageConfig.only_shown, "published")  # `report` decides what is fused

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
        check_kind("members", needed, source, TrainStage, EvaluateStage)
        check_tasks(self, needed, source)
        if isinstance(source, EvaluateStage) and draws_of(source.missing) > 1:
            raise ConfigError(f"members: {needed!r} draws several times who lacks something; name a stage of one draw")
        check_alike(self, needed, source, (*CORPUS, "splits"))

    def check(self) -> None:
        super().check()
        if not self.members or len(set(self.members)) < len(self.members):
            raise ConfigError(f"members: one stage or more, each once, found {self.members!r}")
        if self.data.splits.folds is not None:
            raise ConfigError("data.splits.folds: what validates one fold is tested in another; folds are not fused")
        if self.seeds == "best" and not self.data.splits.has_validation:
            raise ConfigError("seeds: the best are chosen on the validation split; there is none")
        check_missing(self.missing, self.members, self.report)

    def check_labels(self, labels: Labels) -> None:
        super().check_labels(labels)
        if self.task not in labels.classes:
            raise ConfigError(f"tasks.{self.task}: fusion needs probabilities of classes, this is a score")
        if self.rule == "weighted" or self.seeds == "best":
            labels.check_metrics("weight_by", self.task, [self.weight_by])

    def results(self, stages: Mapping[str, StageConfig]) -> dict[str, Any]:
        return super().results(stages) | labels_of(self.needs(), stages)

    def epochs_selected(self, stages: Mapping[str, StageConfig]) -> bool:
        return any(stages[name].epochs_selected(stages) for name in self.needs())

    def exhibits(self, finished: Finished) -> list[Exhibit]:
        if self.rule != "vote":
            return []
        called = [
            f"{part[0].upper()}{part[1:]} is {self.data.called(part)}."
            for part in self.report
            if part in self.data.split_names
        ]
        exhibit = self.exhibit("conflicts", finished)
        return [dataclasses.replace(exhibit, note=" ".join(filter(None, (exhibit.note, *called))))]
