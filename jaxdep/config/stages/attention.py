"""Attention: which positions a trained model looks at."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from input_pipeline.config import field_names
from jaxdep.config.rows import CsvFile, Exhibit
from jaxdep.config.settings import Seeds
from jaxdep.config.stages.base import Finished, StageConfig, check_alike, check_seed, labels_of
from jaxdep.config.stages.train import check_one_fold

ATTENTION = CsvFile("attention.csv", ("example", "branch", "head", "sharpness", "position", "weight"))
ATTENTION_HEADS = CsvFile(
    "attention_heads.csv",
    ("branch", "head", "sharpness", "peak", "flatness", "examples", "target", "concentration"),
)


@dataclasses.dataclass
class AttentionStage(StageConfig):
    """The rows of a trained model's attention on examples of the test split.

    Attributes:
        of: the stage that trained; `data` is that stage's.
        seed: as in `ExtractStage`.
        shown: examples whose rows are drawn; the means are over all of the split.
    """

    runner: ClassVar[str] = "jaxdep.stages.attention:run"
    version: ClassVar[int] = 2

    of: str = ""
    seed: int | None = None
    shown: int = 3

    def needs(self) -> tuple[str, ...]:
        return (*super().needs(), self.of)

    def check_need(self, needed: str, source: StageConfig) -> None:
        check_one_fold("of", needed, source)
        check_alike(self, needed, source, tuple(field_names(self.data)))

    def check_within(self, seeds: Seeds, stages: Mapping[str, StageConfig]) -> None:
        check_seed(self.seed, seeds)

    def results(self, stages: Mapping[str, StageConfig]) -> dict[str, Any]:
        return super().results(stages) | labels_of(self.needs(), stages)

    def exhibits(self, finished: Finished) -> list[Exhibit]:
        return [self.exhibit("attention", finished)]
