"""Evaluation: trained seeds on data that lacks something."""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

from input_pipeline.config import field_names
from jaxdep.config.stages.base import ScoredStage, StageConfig, check_alike, check_kind, check_tasks
from jaxdep.config.stages.missing import Missing, check_missing
from jaxdep.config.stages.train import TrainStage


@dataclasses.dataclass
class EvaluateStage(ScoredStage):
    """Applies the seeds that another stage trained to the same data, changed.

    Attributes:
        of: the stage that trained.
        missing: features that are masked for some participants of the test split.
    """

    runner: ClassVar[str] = "jaxdep.stages.evaluate:run"
    only_shown: ClassVar[tuple[str, ...]] = (*StageConfig.only_shown, "published")  # `report` decides what is evaluated

    of: str = ""
    missing: tuple[Missing, ...] = ()

    def needs(self) -> tuple[str, ...]:
        return (*super().needs(), self.of)

    def check_need(self, needed: str, source: StageConfig) -> None:
        if needed != self.of:
            super().check_need(needed, source)
            return
        check_kind("of", needed, source, TrainStage)
        check_tasks(self, needed, source)
        check_alike(self, needed, source, tuple(field_names(self.data)))

    def check(self) -> None:
        super().check()
        check_missing(self.missing, tuple(self.data.features), self.report)

    def epochs_selected(self, stages: Mapping[str, StageConfig]) -> bool:
        return any(stages[name].epochs_selected(stages) for name in self.needs())
