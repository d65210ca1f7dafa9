"""What the analyses of emotion models' outputs share."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from input_pipeline.config import ConfigError
from jaxdep.config.findings import Finding
from jaxdep.config.labels import Labels
from jaxdep.config.settings import Seeds
from jaxdep.config.stages.base import CORPUS, StageConfig, check_alike, check_kind, labels_of
from jaxdep.config.stages.extract import ExtractStage


@dataclasses.dataclass
class AnalyseStage(StageConfig):
    """Base of the stages that look at what emotion models say of recordings, and decide nothing.

    Attributes:
        of: the stages that applied them (`ExtractStage`), of the same data.
        group_by: the label that divides the recordings.
        findings: what the paper read off its own analysis.
    """

    of: tuple[str, ...] = ()
    group_by: str = "depressed"
    findings: tuple[Finding, ...] = ()

    def needs(self) -> tuple[str, ...]:
        return (*super().needs(), *self.of)

    def check_need(self, needed: str, source: StageConfig) -> None:
        check_kind("of", needed, source, ExtractStage)
        check_alike(self, needed, source, CORPUS)

    def check_within(self, seeds: Seeds, stages: Mapping[str, StageConfig]) -> None:
        names = [stages[name].label for name in self.of if name in stages]
        if len(set(names)) < len(names):
            raise ConfigError(f"of: two of these stages have one label, {names}; give each its own")
        for index, finding in enumerate(self.findings):
            if finding.model not in names:
                raise ConfigError(
                    f"findings[{index}].model: {finding.model!r} is the label of none of these stages: {', '.join(names)}"
                )

    def check_labels(self, labels: Labels) -> None:
        labels.check_label("group_by", self.group_by, with_classes=True)

    def results(self, stages: Mapping[str, StageConfig]) -> dict[str, Any]:
        return super().results(stages) | labels_of(self.needs(), stages)
