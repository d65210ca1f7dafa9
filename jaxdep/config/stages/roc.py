"""ROC: the curves of several detectors of two classes, with a band over the seeds."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from input_pipeline.config import ConfigError
from jaxdep.config.labels import Labels
from jaxdep.config.rows import CsvFile, Exhibit
from jaxdep.config.stages.base import CORPUS, Finished, ScoredStage, StageConfig, check_alike, check_kind, labels_of

# A line a row and rate of false positives: quantiles over the seeds of the rate of true positives there.
ROC = CsvFile("roc.csv", ("row", "split", "positive", "fpr", "tpr_low", "tpr_median", "tpr_high"))
# A line a row and seed: the area under its own curve.
AUC = CsvFile("auc.csv", ("row", "seed", "auc"))


@dataclasses.dataclass
class RocStage(StageConfig):
    """The ROC curves of stages that decide between two classes, in one figure.

    Attributes:
        rows: the stages, in the figure's order.
        task: the label, of two classes; the second is the one that is looked for.
        split: whose decisions.
        points: rates of false positives, evenly spaced from 0 to 1, at which a curve is read.
    """

    runner: ClassVar[str] = "jaxdep.stages.roc:run"

    rows: tuple[str, ...] = ()
    task: str = ""
    split: Literal["validation", "test"] = "test"
    points: int = 101

    def needs(self) -> tuple[str, ...]:
        return (*super().needs(), *self.rows)

    def check(self) -> None:
        if not self.rows or len(set(self.rows)) < len(self.rows):
            raise ConfigError(f"rows: one stage or more, each once, found {self.rows}")
        if self.points < 2:
            raise ConfigError(f"points: 2 or more, found {self.points}")

    def check_need(self, needed: str, source: StageConfig) -> None:
        if needed not in self.rows:
            super().check_need(needed, source)
            return
        check_kind("rows", needed, source, ScoredStage)
        assert isinstance(source, ScoredStage)
        if self.task != source.task:
            raise ConfigError(f"task: {needed!r} is scored by {source.task!r}, found {self.task!r}")
        check_alike(self, needed, source, (*CORPUS, "splits"))

    def check_labels(self, labels: Labels) -> None:
        labels.check_label("task", self.task, with_classes=True)
        if len(classes := labels.classes_of(self.task)) != 2:
            raise ConfigError(f"task: an ROC curve is of two classes, {self.task!r} has {', '.join(classes)}")

    def results(self, stages: Mapping[str, StageConfig]) -> dict[str, Any]:
        return super().results(stages) | labels_of(self.rows, stages)

    def exhibits(self, finished: Finished) -> list[Exhibit]:
        return [self.exhibit("roc", finished)]
