"""Cases: recordings that one detector decides rightly and another does not, and those that both miss."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from input_pipeline.config import ConfigError
from jaxdep.config.labels import Labels
from jaxdep.config.rows import CsvFile, Exhibit
from jaxdep.config.stages.base import CORPUS, Finished, ScoredStage, StageConfig, check_alike, check_kind, labels_of

# A line a recording. `chosen` is a key of `CHOICES`, or empty; what only chosen ones have is empty in the other lines:
# `words`, `picture`, the name of its small copy in the stage's folder, and `lacks`, why it has none.
CASES = CsvFile(
    "cases.csv",
    (
        "row", "against", "task", "split", "recording", "participant", "target",
        "right", "seeds", "decision", "right_against", "seeds_against", "decision_against",
        "chosen", "words", "picture", "lacks",
    ),
)  # fmt: skip
PICTURE = "case_{:03d}.jpg"
CHOICES = {"gap": 'More often right by "{row}" than by "{against}"', "missed": "Missed by both"}


@dataclasses.dataclass
class CasesStage(StageConfig):
    """Cases of two stages: those that the one is right of by more of its seeds than the other, and those that both miss.

    Shown are the `count` with the largest difference between the shares of seeds that are right, where it is in favour of
    `row`, and, of those that most seeds of both miss, the `count` with the fewest that are right.

    Attributes:
        row, against: stages whose decisions are scored, of the same recordings.
        task: the label that they are compared with; it has classes.
        split: whose decisions.
        count: of each of the two choices.
        words: whether the page shows the words of a case. Licences of real corpora forbid to pass them on, and pages are.
        pictures: whether it shows the picture, small; the same holds of it.
    """

    version: ClassVar[int] = 1
    runner: ClassVar[str] = "jaxdep.stages.cases:run"

    row: str = ""
    against: str = ""
    task: str = ""
    split: Literal["validation", "test"] = "test"
    count: int = 4
    words: bool = False
    pictures: bool = False

    def needs(self) -> tuple[str, ...]:
        return (*super().needs(), self.row, self.against)

    def check(self) -> None:
        if not self.row or not self.against or self.row == self.against:
            raise ConfigError(f"row, against: two different stages, found {self.row!r} and {self.against!r}")
        if self.count < 1:
            raise ConfigError(f"count: at least one case, found {self.count}")

    def check_need(self, needed: str, source: StageConfig) -> None:
        if needed not in (self.row, self.against):
            super().check_need(needed, source)
            return
        check_kind("row" if needed == self.row else "against", needed, source, ScoredStage)
        assert isinstance(source, ScoredStage)
        if self.task not in source.tasks:
            raise ConfigError(f"task: {needed!r} does not decide on {self.task!r}, but on {', '.join(source.tasks)}")
        check_alike(self, needed, source, (*CORPUS, "splits"))

    def check_labels(self, labels: Labels) -> None:
        labels.check_label("task", self.task, with_classes=True)

    def results(self, stages: Mapping[str, StageConfig]) -> dict[str, Any]:
        return super().results(stages) | labels_of((self.row, self.against), stages)

    def exhibits(self, finished: Finished) -> list[Exhibit]:
        return [self.exhibit("cases", finished)]
