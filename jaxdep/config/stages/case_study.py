"""Case studies: single participants, segment by segment."""

import dataclasses
from typing import ClassVar

from input_pipeline.config import ConfigError
from jaxdep.config.labels import Labels
from jaxdep.config.rows import CsvFile, Exhibit
from jaxdep.config.stages.analyse import AnalyseStage
from jaxdep.config.stages.base import Finished

CASE_STUDY = CsvFile(
    "case_study.csv",
    (
        "participant", "recording", "target", "segment", "start_s", "stop_s",
        "words", "model", "task", "class", "value",
    ),
)  # fmt: skip


@dataclasses.dataclass
class CaseStudyStage(AnalyseStage):
    """Single participants, segment by segment: what an audio model and a text model say, and where they disagree.

    Attributes:
        of: the two stages, audio first.
        participants: who; empty: the `count` of `group` in `split` with the largest share of segments in disagreement.
        words: whether the page shows what was said. Licences of real corpora forbid to pass it on, and pages are.
    """

    version: ClassVar[int] = 2
    runner: ClassVar[str] = "jaxdep.stages.analyse:case_study"

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

    def check_labels(self, labels: Labels) -> None:
        super().check_labels(labels)
        groups = labels.classes_of(self.group_by)
        if not self.participants and self.group not in groups:
            raise ConfigError(f"group: {self.group!r} is no class of {self.group_by!r}; there are {', '.join(groups)}")

    def exhibits(self, finished: Finished) -> list[Exhibit]:
        return [self.exhibit("case_study", finished)]
