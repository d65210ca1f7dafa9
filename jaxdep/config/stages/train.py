"""Training: one model over all seeds."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from input_pipeline.config import Config, ConfigError
from jaxdep.config.labels import Labels, nearest
from jaxdep.config.published import Published
from jaxdep.config.rows import VARIANT_PREDICTIONS, WINDOW_PREDICTIONS, Row, predictions_file
from jaxdep.config.settings import Optimizer, Training
from jaxdep.config.stages.base import CORPUS, Finished, ScoredStage, StageConfig, check_alike, check_kind, target
from jaxdep.config.sweep import IN_LANES, changed, combinations, in_lanes, name_of
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
class Start(Config):
    """Parameters and statistics that a model has at the start, in place of those that its own seed draws.

    Attributes:
        stage: the stage before this one that trained them; its reported epoch counts. Or
        checkpoint: a published one, by path or name, in a form that the model's config can read (`published`).
        seed: "each" takes for each seed the same one of that stage, "best" for all that with the best monitored
            validation metric there; or a seed's number.
        part: what of the other model is taken, by the path of its parameters; "" is all of it.
        into: where that stands in this model; "" as in the other one.
        without: parts of it that are not taken, by their path in the other model: `heads` of another task.
    """

    stage: str = ""
    checkpoint: str = ""
    seed: str = "each"
    part: str = ""
    into: str = ""
    without: tuple[str, ...] = ()

    def check(self) -> None:
        if bool(self.stage) == bool(self.checkpoint):
            raise ConfigError(f"stage: name a stage or a checkpoint, one of them, found {self.stage!r}")
        if self.seed not in ("each", "best") and not self.seed.isdecimal():
            raise ConfigError(f"seed: each, best, or a seed's number, found {self.seed!r}")


@dataclasses.dataclass
class TrainStage(ScoredStage):
    """Trains one model over all seeds.

    Attributes:
        start: where parameters come from that are not drawn.
        sweep: hyperparameters, by their path below the stage, of which several values are tried, each combination of them
            with all seeds and folds, in one program. The combination with the best mean of the monitored validation
            metric is the one that the row reports, fold by fold; the others are shown beside it. Which fields can
            differ so, `jaxdep.config.sweep.IN_LANES` tells; the command line's `--sweep` makes stages of all others.
        score_windows: whether the windows that recordings are cut into are scored too, in a row of their own.
        further: rows of other tasks, or of the first one against another label.
    """

    runner: ClassVar[str] = "jaxdep.stages.train:run"
    trainer: ClassVar[str] = "jaxdep.stages.train:train"

    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    optimizer: Optimizer = dataclasses.field(default_factory=Optimizer)
    training: Training = dataclasses.field(default_factory=Training)
    start: tuple[Start, ...] = ()
    sweep: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    score_windows: bool = False
    further: tuple[Further, ...] = ()

    def needs(self) -> tuple[str, ...]:
        return (*super().needs(), *(one.stage for one in self.start if one.stage))

    def needs_all(self) -> tuple[str, ...]:
        return tuple(one.stage for one in self.start if one.stage and one.seed != "each")

    def check_need(self, needed: str, source: StageConfig) -> None:
        if needed not in [one.stage for one in self.start]:
            super().check_need(needed, source)
            return
        check_kind("start", needed, source, TrainStage)
        assert isinstance(source, TrainStage)
        if source.data.splits.folds is not None and any(
            one.seed == "best" for one in self.start if one.stage == needed
        ):
            raise ConfigError(f"start: {needed!r} trains folds, each with a best seed of its own; use seed='each'")
        if self.data.corpus == source.data.corpus:
            # Whoever is tested here, or validates, must not have been trained on there.
            check_alike(self, needed, source, (*CORPUS, "splits"))
            from_one = any(one.seed != "each" for one in self.start if one.stage == needed)
            if from_one and self.data.splits.drawn_by_seed:
                raise ConfigError(
                    f"start: each seed of {needed!r} draws who validates, and one of them trained on who validates others; "
                    "use seed='each'"
                )
        elif source.data.splits.folds is not None:
            raise ConfigError(f"start: {needed!r} trains folds of another corpus; there is none for each fold here")

    @property
    def scores_windows(self) -> bool:
        return self.score_windows

    @property
    def chooses(self) -> bool:
        return bool(self.sweep)

    @property
    def variants(self) -> "dict[str, TrainStage]":
        """By name the stage under each combination of `sweep`; without a sweep itself, without a name."""
        return {name_of(values): changed(self, values) for values in combinations(self.sweep)}

    def check(self) -> None:
        super().check()
        for path, values in self.sweep.items():
            if not in_lanes(path):
                raise ConfigError(f"sweep: {path!r} is not one of {', '.join(IN_LANES)}; sweep it by --sweep")
            if len(set(values)) < max(len(values), 1):
                raise ConfigError(f"sweep: {path!r} needs values, each once, found {values!r}")
        if self.sweep and not self.data.splits.has_validation:
            raise ConfigError("sweep: the values are chosen on the validation split; there is none")
        for name, stage in self.variants.items() if self.sweep else ():
            for part in (stage.optimizer, stage.training, *stage.tasks.values()):
                try:
                    part.check()
                except ConfigError as error:
                    raise ConfigError(f"sweep: {name}: {error}") from None
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
            names = [name for figure in row.published for name in figure.metrics]
            labels.check_metrics(f"{field}.published", row.against, names)

    def results(self, stages: Mapping[str, StageConfig]) -> dict[str, Any]:
        training = dataclasses.replace(self.training, checkpoint_every_s=Training.checkpoint_every_s)
        further = [(row.against, row.task) for row in self.further]
        return super().results(stages) | {"training": training.compact(), "further": further}

    def grows(self) -> bool:
        return all(one.seed != "best" for one in self.start if one.stage)  # the best of more seeds may be another

    def files(self) -> tuple[Path, ...]:
        return tuple(Path(one.checkpoint) for one in self.start if one.checkpoint and Path(one.checkpoint).exists())

    def epochs_selected(self, stages: Mapping[str, StageConfig]) -> bool:
        return self.training.select == "best" and self.data.splits.has_validation

    def remarks(self, finished: Finished) -> str:
        copies = (
            f"Trained on {len(self.data.copies)} perturbed copies of each recording too." if self.data.copies else ""
        )
        return " ".join(filter(None, (super().remarks(finished), copies)))

    def scored(self, finished: Finished) -> list[Row]:
        """Its recordings, the rows of `further`, and where the config asks for it its windows."""
        (row,) = super().scored(finished)
        if self.sweep:
            what = "Value and epoch" if self.epochs_selected(finished.stages) else "Value"
            row = dataclasses.replace(row, selected_on="validation", selected=what)
        rows = [row]
        for other in self.further:
            changed: dict[str, Any] = {"metrics": other.metrics, "published": other.published, "note": ""}
            changed |= {
                "label": f"{self.title}: {other.label}",
                "predictions": predictions_file(other.against, self.task),
            }
            rows.append(dataclasses.replace(row, **changed, **target(other.against, finished)))
        if self.score_windows:
            label = f"{self.title}, windows"
            published = tuple(figure for figure in self.published if figure.windows)
            rows.append(
                dataclasses.replace(row, label=label, predictions=WINDOW_PREDICTIONS, published=published, note="")
            )
        return rows

    def table_rows(self, finished: Finished) -> list[Row]:
        """Those of `scored`; and of a sweep each variant, on the split that chose among them too, in a table of their own."""
        rows = super().table_rows(finished)
        if not self.sweep:
            return rows
        (row, *_) = self.scored(finished)
        of_sweep = dataclasses.replace(
            row,
            section=f"{self.section or self.title}: the values that were tried",
            predictions=VARIANT_PREDICTIONS,
            published=(),
            note="",
            selected_on=row.selected_on if self.epochs_selected(finished.stages) else "",
            selected="Epoch",
        )
        return rows + [
            dataclasses.replace(of_sweep, label=f"{self.title}, {name}", variant=name, split=split)
            for name in self.variants
            for split in ("validation", "test")
        ]

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
        if monitor != "loss" and not self.data.splits.has_validation:
            raise ConfigError(f"training.monitor: {monitor!r} needs a validation split; there is none")


def check_one_fold(field: str, needed: str, source: StageConfig) -> None:
    """Raises ConfigError where a field names no stage that trains, or one whose seeds have a model for each fold."""
    check_kind(field, needed, source, TrainStage)
    if source.data.splits.folds is not None:
        raise ConfigError(f"{field}: {needed!r} trains a model for each fold; name a stage without folds")
