"""Training: one model over all seeds."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from input_pipeline.config import Config, ConfigError
from jaxdep.config.labels import Labels, nearest
from jaxdep.config.published import Published
from jaxdep.config.rows import WINDOW_PREDICTIONS, Row, predictions_file
from jaxdep.config.settings import Optimizer, Training
from jaxdep.config.stages.base import Finished, ScoredStage, StageConfig, target
from jaxdep.models import ModelConfig


@dataclasses.dataclass
class Further(Config):
    """A further row of a stage that trains: decisions scored against another label than the first task's.

    Attributes:
        label: the row's name, behind that of the stage.
        against: the label of the corpus.
        task: whose decisions are scored; another one than `against` must have as many classes.
    """

    label: str = ""
    against: str = ""
    task: str = ""
    metrics: tuple[str, ...] = ()
    published: tuple[Published, ...] = ()


@dataclasses.dataclass
class TrainStage(ScoredStage):
    """Trains one model over all seeds.

    Attributes:
        score_windows: whether the windows that recordings are cut into are scored too, in a row of their own.
        further: rows of other tasks, or of the first one against another label.
    """

    runner: ClassVar[str] = "jaxdep.stages.train:run"

    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    optimizer: Optimizer = dataclasses.field(default_factory=Optimizer)
    training: Training = dataclasses.field(default_factory=Training)
    score_windows: bool = False
    further: tuple[Further, ...] = ()

    def check(self) -> None:
        super().check()
        for index, row in enumerate(self.further):
            if row.task not in self.tasks:
                raise ConfigError(f"further[{index}].task: {row.task!r} is none of the tasks {', '.join(self.tasks)}")
            if row.against == next(iter(self.tasks)) or [one.against for one in self.further].count(row.against) > 1:
                raise ConfigError(f"further[{index}].against: {row.against!r} is scored in another row already")

    def check_labels(self, labels: Labels) -> None:
        super().check_labels(labels)
        self._check_inputs()
        self._check_monitor(labels)
        balance = self.training.sampling.balance
        if balance != "none" and not labels.classes_of(self.task):
            raise ConfigError(f"training.sampling.balance: {balance!r} needs classes, and {self.task!r} is a score")
        for index, row in enumerate(self.further):
            field, ours = f"further[{index}]", len(labels.classes_of(row.task))
            alike = [name for name in labels.names if len(labels.classes_of(name)) == ours]
            if row.against not in alike:
                raise ConfigError(
                    f"{field}.against: {labels.corpus} has no label {row.against!r} with as many classes as {row.task!r}; "
                    f"there are {', '.join(alike)}"
                )
            labels.check_metrics(f"{field}.metrics", row.against, row.metrics)
            labels.check_metrics(f"{field}.published", row.against, [figure.metric for figure in row.published])

    def results(self, stages: Mapping[str, StageConfig]) -> dict[str, Any]:
        training = dataclasses.replace(self.training, checkpoint_every_s=Training.checkpoint_every_s)
        further = [(row.against, row.task) for row in self.further]
        return super().results(stages) | {"training": training.compact(), "further": further}

    def epochs_selected(self, stages: Mapping[str, StageConfig]) -> bool:
        splits = self.data.splits
        return self.training.select == "best" and bool(splits.validation or splits.validation_fraction)

    def scored(self, finished: Finished) -> list[Row]:
        """Its recordings, the rows of `further`, and where the config asks for it its windows."""
        (row,) = super().scored(finished)
        rows = [row]
        for other in self.further:
            changed: dict[str, Any] = {"metrics": other.metrics, "published": other.published, "note": ""}
            changed |= {
                "label": f"{self.label}: {other.label}",
                "predictions": predictions_file(other.against, self.task),
            }
            rows.append(dataclasses.replace(row, **changed, **target(other.against, finished)))
        if self.score_windows:
            label = f"{self.label}, windows"
            rows.append(dataclasses.replace(row, label=label, predictions=WINDOW_PREDICTIONS, published=(), note=""))
        return rows

    def _check_inputs(self) -> None:
        """The model takes the features that there are, as they are laid out."""
        for name, layout in self.model.takes().items():
            if name not in self.data.features:
                known = ", ".join(self.data.features)
                raise ConfigError(f"model: it takes the feature {name!r}, the data has {known}")
            found = self.data.arrangements[name].layout
            if layout != found:
                raise ConfigError(
                    f"data.arrangements.{name}.level: examples are laid out as {found!r}, the model takes {layout!r}"
                )

    def _check_monitor(self, labels: Labels) -> None:
        first, *others = ((name, labels.metrics(("",) * len(labels.classes_of(name)))) for name in self.tasks)
        known = ["loss", *first[1], *(f"{name}_{metric}" for name, metrics in others for metric in metrics)]
        monitor = self.training.monitor
        if monitor not in known:
            raise ConfigError(f"training.monitor: no metric is called {monitor!r}; {nearest(monitor, known)}")
        splits = self.data.splits
        if monitor != "loss" and not (splits.validation or splits.validation_fraction):
            raise ConfigError(f"training.monitor: {monitor!r} needs a validation split; there is none")
