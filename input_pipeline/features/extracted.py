"""A feature that a trained model makes of each segment, named by the stage of the experiment that extracts it."""

import dataclasses
from typing import ClassVar

from input_pipeline.config import ConfigError
from input_pipeline.features.base import Feature


@dataclasses.dataclass
class Extracted(Feature):
    """One vector a segment, as a stage of the same experiment wrote them into its folder.

    Attributes:
        stage: the stage's name.
    """

    version: ClassVar[int] = 1
    kind: ClassVar[str] = "extracted"

    stage: str = ""

    def check(self) -> None:
        if not self.stage:
            raise ConfigError("stage: name the stage that extracts the feature")
