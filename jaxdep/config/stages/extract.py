"""Extraction: a layer of a trained model, as features of other recordings."""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

from input_pipeline.config import ConfigError
from jaxdep.config.settings import Seeds
from jaxdep.config.stages.base import Finished, StageConfig, check_seed
from jaxdep.config.stages.train import TrainStage, check_one_fold


@dataclasses.dataclass
class ExtractStage(StageConfig):
    """Applies one seed of a trained model to every segment of other recordings, and keeps what a layer of it says.

    A segment is to the model what an example was in training: its frames, cut at the same length, standardised as the
    model's own training split was. `data.arrangements` have no part in that.

    Attributes:
        of: the stage that trained.
        layer: which of `Outputs.intermediates`, [B, D].
        seed: the global id of the seed; None: that with the best monitored validation metric at its reported epoch. That
            is a fair choice where all seeds validate on the same participants; where each draws them the page says so.
    """

    runner: ClassVar[str] = "jaxdep.stages.extract:run"
    extracts: ClassVar[bool] = True

    of: str = ""
    layer: str = "emotion"
    seed: int | None = None

    def needs(self) -> tuple[str, ...]:
        return (*super().needs(), self.of)

    def check_need(self, needed: str, source: StageConfig) -> None:
        if needed != self.of:
            super().check_need(needed, source)
            return
        check_one_fold("of", needed, source)
        assert isinstance(source, TrainStage)
        for name, layout in source.model.takes().items():
            if name not in self.data.features:
                raise ConfigError(
                    f"data.features: {needed!r} takes {name!r}, there are {', '.join(self.data.features)}"
                )
            if layout != "sequence":
                raise ConfigError(
                    f"of: the model of {needed!r} takes {name!r} as {layout}; features are extracted by models that take "
                    "the frames of a segment, a sequence"
                )
            # Which stretches a feature is taken from may differ between corpora; what it is must not.
            stretches = {"segmentation": None, "context_of": None}
            ours, theirs = (one.data.features[name].as_dict() | stretches for one in (self, source))
            if ours != theirs:
                raise ConfigError(f"data.features.{name}: it differs from that on which {needed!r} was trained")

    def check(self) -> None:
        if self.data.copies:
            raise ConfigError("data.copies: features are extracted of the recordings as they are; leave the copies out")

    def check_within(self, seeds: Seeds, stages: Mapping[str, StageConfig]) -> None:
        check_seed(self.seed, seeds)

    def origin(self, finished: Finished) -> str:
        remark = finished.record.get("remark", "")
        return f"Features of {finished.stages[self.of].label}, seed {finished.record['seed']}. {remark}".strip()
