"""An experiment's config: typed dataclasses that a config file fills and the command line overrides.

A config file's `get_config()` returns an `Experiment`. Every field can be overridden by its path,
`--config.seeds.count=100` or `--config.stages.text.training.epochs=5`; a wrong path or type is one line.
"""

import copy
import dataclasses

from input_pipeline.config import Config, ConfigError
from jaxdep.config.settings import STREAMS, Data, Mapping, Optimizer, Seeds, Splits, StandIn, Task, Training
from jaxdep.config.stages import (
    AnalyseStage,
    AttentionStage,
    BaselineStage,
    CaseStudyStage,
    EvaluateStage,
    ExtractStage,
    Further,
    FuseStage,
    Missing,
    ProfileStage,
    ScoredStage,
    StabilityStage,
    Stage,
    StageConfig,
    TrainStage,
    trivial_baselines,
)

__all__ = [
    "STREAMS",
    "AnalyseStage",
    "AttentionStage",
    "BaselineStage",
    "CaseStudyStage",
    "Data",
    "EvaluateStage",
    "Experiment",
    "ExtractStage",
    "Further",
    "FuseStage",
    "Mapping",
    "Missing",
    "Optimizer",
    "ProfileStage",
    "ScoredStage",
    "Seeds",
    "Splits",
    "StabilityStage",
    "Stage",
    "StageConfig",
    "StandIn",
    "Task",
    "TrainStage",
    "Training",
    "trivial_baselines",
]


@dataclasses.dataclass
class Experiment(Config):
    """One published table or figure: its stages in order, and what the page says of it."""

    name: str = ""
    title: str = ""
    description: str = ""
    system: str = ""
    source: str = ""
    seeds: Seeds = dataclasses.field(default_factory=Seeds)
    mapping: Mapping = dataclasses.field(default_factory=Mapping)
    stages: dict[str, Stage] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Gives every stage its own copy of what they share, so that overriding one stage leaves the others alone."""
        self.stages = {name: copy.deepcopy(stage) for name, stage in self.stages.items()}

    def check(self) -> None:
        if not self.stages:
            raise ConfigError("stages: the experiment has none")
        labels = [stage.label for stage in self.stages.values() if isinstance(stage, ScoredStage)]
        for name, stage in self.stages.items():
            if isinstance(stage, ScoredStage) and labels.count(stage.label) > 1:
                raise ConfigError(f"stages.{name}.label: {stage.label!r} is the label of another stage too")
            if not name.replace("_", "").isalnum():
                raise ConfigError(f"stages: {name!r} names a folder: use letters, digits and _")
            self._check_one(stage, f"stages.{name}")
        self._check_needs()

    def _check_one(self, stage: Stage, path: str) -> None:
        """What a stage alone, or the stages before it, cannot tell."""
        if isinstance(stage, ExtractStage | AttentionStage) and stage.seed is not None:
            ids = range(self.seeds.first, self.seeds.first + self.seeds.count)
            if stage.seed not in ids:
                raise ConfigError(f"{path}.seed: {stage.seed} is none of the seeds {ids.start} to {ids.stop - 1}")
        if isinstance(stage, AnalyseStage):
            names = [self.stages[name].label for name in stage.of if name in self.stages]
            if len(set(names)) < len(names):
                raise ConfigError(f"{path}.of: two of these stages have one label, {names}; give each its own")

    def _check_needs(self) -> None:
        before: dict[str, StageConfig] = {}
        for name, stage in self.stages.items():
            for needed in stage.needs():
                if needed not in before:
                    known = ", ".join(before) or "none"
                    raise ConfigError(f"stages.{name}: it needs {needed!r}; the stages before it are {known}")
                try:
                    stage.check_need(needed, before[needed])
                except ConfigError as error:
                    raise ConfigError(f"stages.{name}.{error}") from None
            before[name] = stage
