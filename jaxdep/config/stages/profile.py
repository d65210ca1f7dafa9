"""Profiles: what emotion models say of groups of people, on average."""

import dataclasses
from typing import ClassVar

from jaxdep.config.rows import CsvFile, Exhibit
from jaxdep.config.stages.analyse import AnalyseStage
from jaxdep.config.stages.base import Finished

PROFILE = CsvFile(
    "profile.csv", ("model", "task", "class", "group", "mean", "ci_low", "ci_high", "recordings", "segments")
)


@dataclasses.dataclass
class ProfileStage(AnalyseStage):
    """Means of the emotion models' outputs over all segments of a group, with intervals over participants.

    Attributes:
        split: whose recordings; the corpus's own name.
    """

    version: ClassVar[int] = 2
    runner: ClassVar[str] = "jaxdep.stages.analyse:profile"

    split: str = "train"

    def exhibits(self, finished: Finished) -> list[Exhibit]:
        return [self.exhibit("profile", finished)]
