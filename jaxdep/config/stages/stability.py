"""Stability: whether some rows spread less over the seeds than others."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from input_pipeline.config import ConfigError
from jaxdep.config.rows import CsvFile, Exhibit
from jaxdep.config.stages.base import CORPUS, Finished, ScoredStage, StageConfig, check_alike, check_kind, labels_of

STABILITY = CsvFile(
    "stability.csv",
    (
        "row", "against", "split", "metric", "n", "n_against", "std", "std_against", "ratio", "ci_low", "ci_high",
        "paired", "p", "p_holm",
    ),
)  # fmt: skip


@dataclasses.dataclass
class StabilityStage(StageConfig):
    """The spread of some rows over the seeds against that of others, on the test split.

    Each row against each other one is a ratio of two STDs with a test; the p-values are corrected by Holm for the number
    of all ratios of the stage. Seeds that draw who validates share the draw by their number, and are taken in pairs.

    Attributes:
        rows, against: stages whose decisions are scored, of the same participants.
        metric: its name in jaxdep.statistics.metrics.
    """

    runner: ClassVar[str] = "jaxdep.stages.spread:run"
    version: ClassVar[int] = 2

    rows: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    metric: str = "f1"

    def needs(self) -> tuple[str, ...]:
        return (*super().needs(), *self.rows, *self.against)

    def check_need(self, needed: str, source: StageConfig) -> None:
        check_kind("rows", needed, source, ScoredStage)
        assert isinstance(source, ScoredStage)
        if self.metric not in source.metrics:
            raise ConfigError(
                f"metric: {needed!r} is not scored by {self.metric!r}, but by {', '.join(source.metrics)}"
            )
        check_alike(self, needed, source, (*CORPUS, "splits"))

    def check(self) -> None:
        if not self.rows or not self.against or set(self.rows) & set(self.against):
            raise ConfigError(f"rows: one stage or more against one or more others, found {self.rows}, {self.against}")

    def results(self, stages: Mapping[str, StageConfig]) -> dict[str, Any]:
        return super().results(stages) | labels_of(self.needs(), stages)

    def exhibits(self, finished: Finished) -> list[Exhibit]:
        return [self.exhibit("stability", finished)]
