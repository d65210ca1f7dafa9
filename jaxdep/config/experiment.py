"""An experiment: what a config file's `get_config()` returns."""

import copy
import dataclasses
import math
import re

from input_pipeline.config import Config, ConfigError
from jaxdep.config.settings import Mapping, Seeds
from jaxdep.config.stages.base import StageConfig
from jaxdep.config.stages.train import TrainStage
from jaxdep.config.sweep import changed, in_lanes, name_of


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
    stages: dict[str, StageConfig] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Gives every stage its own copy of what they share, so that overriding one stage leaves the others alone."""
        self.stages = {name: copy.deepcopy(stage) for name, stage in self.stages.items()}

    def sweep(self, name: str, field: str, values: tuple[str, ...]) -> None:
        """Tries several values of a stage's field: in one program where it can be, else in further stages behind it.

        The stage itself keeps the value that it has; those that are made of it are called after theirs.

        Raises:
            ConfigError: there is no such stage or field, or a value does not fit it.
        """
        if name not in self.stages:
            raise ConfigError(f"stages: there is no {name!r}; there are {', '.join(self.stages)}")
        found: dict[str, StageConfig] = {}
        for known, stage in self.stages.items():
            found[known] = stage
            if known != name and not known.startswith(f"{name}__"):
                continue
            stages = {name_of({field: value}): changed(stage, {field: value}) for value in values}
            if isinstance(stage, TrainStage) and in_lanes(field):
                stage.sweep = {**stage.sweep, field: values}
                continue
            for told, other in stages.items():
                other.label = f"{stage.label}, {told}"
                found[f"{known}__{re.sub('[^A-Za-z0-9]+', '_', told)}"] = other
        self.stages = found

    def most_lanes(self, seeds: int) -> float:
        """Those of so many seeds, each in all folds and variants, in any stage; infinite where the corpus tells the folds."""
        trained = [stage for stage in self.stages.values() if isinstance(stage, TrainStage)]
        return seeds * max((_folds(stage) * len(stage.variants) for stage in trained), default=1)

    def over(self, seeds: Seeds) -> "Experiment":
        """The same of other seeds, frozen."""
        return dataclasses.replace(self, seeds=seeds).freeze()

    def wave(self, name: str) -> int:
        """In which round over the chunks of a sweep a stage can be made, from 0 on: it waits for all of the round before
        where it trains on what was made of all their seeds."""
        stage = self.stages[name]
        if not stage.trainer:
            return max((self.wave(needed) for needed in stage.needs()), default=0)
        return max((self.wave(needed) + (needed in self.needs_whole(name)) for needed in stage.needs()), default=0)

    def needs_whole(self, name: str) -> tuple[str, ...]:
        """Of what a stage needs, the stages that it needs over all seeds of a sweep, and not over its own."""
        stage = self.stages[name]
        needed = {one: self.stages[one] for one in stage.needs()}
        return tuple(
            one for one, other in needed.items() if one in stage.needs_all() or other.chooses or not other.trainer
        )

    @property
    def waves(self) -> int:
        """How many rounds over its chunks a sweep takes."""
        return 1 + max(map(self.wave, self.stages))

    def check(self) -> None:
        if not self.stages:
            raise ConfigError("stages: the experiment has none")
        before: dict[str, StageConfig] = {}
        for name, stage in self.stages.items():
            if not name.replace("_", "").isalnum():
                raise ConfigError(f"stages: {name!r} names a folder: use letters, digits and _")
            try:
                stage.check_within(self.seeds, self.stages)
            except ConfigError as error:
                raise ConfigError(f"stages.{name}.{error}") from None
        for name, stage in self.stages.items():
            _check_needs(name, stage, before)
            before[name] = stage


def _folds(stage: TrainStage) -> float:
    folds = stage.data.splits.folds
    return 1 if folds is None else folds.count or math.inf


def _check_needs(name: str, stage: StageConfig, before: dict[str, StageConfig]) -> None:
    for needed in stage.needs():
        if needed not in before:
            known = ", ".join(before) or "none"
            raise ConfigError(f"stages.{name}: it needs {needed!r}; the stages before it are {known}")
        try:
            stage.check_need(needed, before[needed])
        except ConfigError as error:
            raise ConfigError(f"stages.{name}.{error}") from None
