"""Groups: the decisions of a stage by who somebody is, and the gap between the groups."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from input_pipeline.config import ConfigError
from jaxdep.config.labels import Labels
from jaxdep.config.published import Published
from jaxdep.config.rows import CsvFile, Exhibit, Row
from jaxdep.config.stages.base import CORPUS, Finished, ScoredStage, StageConfig, check_alike, check_kind, target

# A line a metric: the groups with the highest and the lowest mean over the seeds, and their difference.
GAPS = CsvFile(
    "gaps.csv",
    (
        "row", "by", "metric", "highest", "n_highest", "score_highest", "lowest", "n_lowest", "score_lowest",
        "gap", "ci_low", "ci_high", "expected", "p",
    ),
)  # fmt: skip
PREDICTIONS_OF_GROUP = "predictions_group_{:02d}.csv"


@dataclasses.dataclass
class GroupsStage(ScoredStage):
    """The decisions of another stage on the test split, group by group, with a row of scores for each.

    Beside the rows stands, for each metric that is a function of confusion counts, the gap between the groups.

    Attributes:
        of: the stage whose decisions are scored.
        by: what tells the groups: a label with classes, or an entry of metadata. A corpus that knows it of nobody has no
            rows by it, and a remark says so.
        groups: those that have a row, in this order; who is in none of them is counted in a remark.
        figures: the paper's, by group.
    """

    runner: ClassVar[str] = "jaxdep.stages.groups:run"
    only_shown: ClassVar[tuple[str, ...]] = (*ScoredStage.only_shown, "figures")

    of: str = ""
    by: str = ""
    groups: tuple[str, ...] = ()
    figures: dict[str, tuple[Published, ...]] = dataclasses.field(default_factory=dict)

    def needs(self) -> tuple[str, ...]:
        return (*super().needs(), self.of)

    def check(self) -> None:
        super().check()
        if not self.by:
            raise ConfigError("by: name an entry of metadata, or a label with classes")
        if len(set(self.groups)) < max(2, len(self.groups)):
            raise ConfigError(f"groups: two or more different ones, found {self.groups}")
        if strangers := [name for name in self.figures if name not in self.groups]:
            raise ConfigError(f"figures: {strangers[0]!r} is none of the groups {', '.join(self.groups)}")
        if self.report != ("test",) or self.published:
            raise ConfigError("report, published: groups are of the test split, and their figures stand in `figures`")

    def check_need(self, needed: str, source: StageConfig) -> None:
        if needed != self.of:
            super().check_need(needed, source)
            return
        check_kind("of", needed, source, ScoredStage)
        assert isinstance(source, ScoredStage)
        if self.task != source.task:
            raise ConfigError(f"tasks: the first is {self.task!r}, that of {needed!r} is {source.task!r}")
        check_alike(self, needed, source, (*CORPUS, "splits"))

    def check_labels(self, labels: Labels) -> None:
        super().check_labels(labels)
        classes = labels.classes_of(self.by)
        if classes and (strangers := [name for name in self.groups if name not in classes]):
            raise ConfigError(f"groups: {strangers[0]!r} is no class of {self.by!r}: {', '.join(classes)}")

    def results(self, stages: Mapping[str, StageConfig]) -> dict[str, Any]:
        return super().results(stages) | {"row": stages[self.of].title}

    def epochs_selected(self, stages: Mapping[str, StageConfig]) -> bool:
        return stages[self.of].epochs_selected(stages)

    def scored(self, finished: Finished) -> list[Row]:
        whole = super().scored(finished)[0]
        return [
            dataclasses.replace(
                whole,
                label=f"{self.title}, {group} (n = {count})",
                predictions=PREDICTIONS_OF_GROUP.format(index),
                published=self.figures.get(group, ()),
                **target(self.task, finished),
            )
            for index, (group, count) in enumerate(finished.record["groups"].items())
            if count
        ]

    def exhibits(self, finished: Finished) -> list[Exhibit]:
        return [self.exhibit("gaps", finished)]
