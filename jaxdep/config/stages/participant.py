"""One decision a participant, from those on the participant's recordings."""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

from input_pipeline.config import ConfigError
from jaxdep.config.labels import Labels
from jaxdep.config.stages.base import CORPUS, ScoredStage, StageConfig, check_alike, check_kind


@dataclasses.dataclass
class ParticipantStage(ScoredStage):
    """Decides on participants: of each the mean probabilities that another stage gives the participant's recordings.

    For corpora in which a participant has many recordings, as utterances of an interview, and one label.

    Attributes:
        of: the stage that decides on recordings, whose first task this is about.
    """

    runner: ClassVar[str] = "jaxdep.stages.participant:run"
    only_shown: ClassVar[tuple[str, ...]] = (*StageConfig.only_shown, "published")  # `report` decides what is written

    of: str = ""

    def needs(self) -> tuple[str, ...]:
        return (*super().needs(), self.of)

    def check(self) -> None:
        super().check()
        if len(self.tasks) > 1:
            raise ConfigError(f"tasks: one, the first of {self.of!r}, found {', '.join(self.tasks)}")

    def check_need(self, needed: str, source: StageConfig) -> None:
        if needed != self.of:
            super().check_need(needed, source)
            return
        check_kind("of", needed, source, ScoredStage)
        assert isinstance(source, ScoredStage)
        if self.task != source.task:
            raise ConfigError(f"tasks: {self.task!r}, the first of {needed!r} is {source.task!r}")
        if source.data.splits.folds is not None or source.data.splits.leaky:
            raise ConfigError(f"of: {needed!r} divides its recordings by fold or leaky; name a stage of fixed splits")
        check_alike(self, needed, source, (*CORPUS, "splits"))

    def check_labels(self, labels: Labels) -> None:
        super().check_labels(labels)
        if self.task not in labels.classes:
            raise ConfigError(f"tasks.{self.task}: participants are decided on by probabilities, this is a score")

    def epochs_selected(self, stages: Mapping[str, StageConfig]) -> bool:
        return any(stages[name].epochs_selected(stages) for name in self.needs())
