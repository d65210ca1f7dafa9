"""What an experiment is made of. Each stage reads examples and leaves stage.json and its results in its folder, those
whose decisions are scored predictions.csv."""

import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Int
from rich.console import Console

from input_pipeline.batching import Examples
from input_pipeline.errors import DataError
from jaxdep import config
from jaxdep.engine.choices import Choices
from jaxdep.engine.splits import examples_tested
from jaxdep.files import write_text
from jaxdep.stages import record
from jaxdep.stages.sources import Sources

OWN_VALIDATION = "Each seed was scored on the validation participants that it drew: the best may owe its score to them."
PREDICTION_COLUMNS = ["seed", "split", "example", "participant", "target", "prediction"]


class Place(NamedTuple):
    """Where a stage is: the folder that has its own among those of other stages, and the seeds that it has there."""

    stages: Path
    seeds: config.Seeds


@dataclasses.dataclass
class StageRun:
    """One stage of one experiment on its way.

    Attributes:
        name, folder: `folder` is `<workdir>/stages/<name>`.
        examples: of the stage's data.
        sources: where other examples come from.
        stages: the configs of all stages of the experiment.
        seeds: those that it has.
        mapping: of the experiment.
        choices: what `auto` remembers between experiments.
        places: of the other stages, where they are not all in one folder with this one and have its seeds.
        extracted: the folder of the stages that extract features, where it is another one than this stage's.
        told: what stage.json said when the stage began, where another process keeps it (experiment/together.py).
    """

    name: str
    folder: Path
    examples: Examples
    seeds: config.Seeds
    mapping: config.Mapping
    console: Console
    sources: Sources
    stages: Mapping[str, config.StageConfig] = dataclasses.field(default_factory=dict)
    choices: Choices | None = None
    places: Mapping[str, Place] = dataclasses.field(default_factory=dict)
    extracted: Path | None = None
    told: Mapping[str, Any] | None = None
    _counted_to: float = dataclasses.field(default_factory=time.perf_counter)

    @property
    def record(self) -> dict[str, Any]:
        """What stage.json says so far."""
        return record.read(self.folder) if self.told is None else dict(self.told)

    def remember(self, **facts: Any) -> None:
        """Adds facts to stage.json, and the seconds since the last time: a stage that was killed keeps what it took."""
        if self.told is not None:
            return
        before, now = self.record, time.perf_counter()
        seconds = float(before.get("seconds", 0.0)) + now - self._counted_to
        self._counted_to = now
        record.write(self.folder, before | {"seconds": seconds} | facts)

    def write_csv(self, name: str, table: pd.DataFrame) -> None:
        """Writes a table of the stage, whole or not at all."""
        text = table.to_csv(index=False, float_format="%.6g", lineterminator="\n", na_rep="nan")
        write_text(self.folder / name, text)

    def other(self, name: str, examples: Examples | None = None) -> "StageRun":
        """Another stage of the experiment, over these examples unless others are given."""
        place = self.places.get(name, Place(self.folder.parent, self.seeds))
        return dataclasses.replace(
            self,
            name=name,
            folder=place.stages / name,
            seeds=place.seeds,
            examples=self.examples if examples is None else examples,
            told=None,
        )

    @property
    def features(self) -> Path:
        """The folder of the stages that extract features."""
        return self.extracted or self.folder.parent

    def validates_by_seed(self, splits: config.Splits) -> bool:
        """Whether each seed validates on other participants, so that seeds compare by them too."""
        return splits.drawn_by_seed and "split" in self.seeds.vary

    def predictions(
        self, task: str, split: str, seed: int, groups: Int[np.ndarray, " U"], values: np.ndarray
    ) -> pd.DataFrame:
        """A seed's decisions on the recordings of one split in the columns of predictions.csv.

        Args:
            groups: the recordings, as indices into `Examples.group_ids`.
            values: [U, classes] probabilities, or [U, 1] scores; recordings without the label are left out.
        """
        rows = self.examples.first_rows[groups]
        return self._table(task, split, seed, self.examples.group_ids[groups], rows, values)

    def window_predictions(
        self, task: str, split: str, seed: int, rows: Int[np.ndarray, " N"], values: np.ndarray
    ) -> pd.DataFrame:
        """The same of the windows of recordings, `rows` on the example axis."""
        return self._table(task, split, seed, self.examples.ids[rows], rows, values)

    def lacking(self, missing: config.Missing) -> tuple[list[np.ndarray], str]:
        """The participants of the test split who lack a modality, draw by draw, and a sentence that counts them.

        Raises:
            DataError: the corpus cannot be split as the config says, or nobody is tested.
        """
        stage = self.stages[self.name]
        assert isinstance(stage, config.ScoredStage)  # others miss nothing
        task = stage.task
        labels = self.examples.labels[task]
        rows = examples_tested(self.examples, stage.data.splits, labels)
        is_known = labels[rows] >= 0 if task in self.examples.classes else np.isfinite(labels[rows])
        everybody = np.unique(self.examples.participants[rows[is_known]])
        if not everybody.size:
            raise DataError(f"stages.{self.name}: a modality is missing in the test split alone, and nobody is in it")
        count = round(missing.share * len(everybody))
        rng = np.random.default_rng(missing.seed)
        drawn = [rng.permutation(everybody)[:count] for _ in range(missing.draws)]
        times = f", drawn {missing.draws} times; a seed's score is the mean" if missing.draws > 1 else ""
        return (
            drawn,
            f"Without {missing.of}: {count} of {len(everybody)} participants of {stage.data.called('test')}{times}.",
        )

    def _table(
        self, task: str, split: str, seed: int, names: np.ndarray, rows: np.ndarray, values: np.ndarray
    ) -> pd.DataFrame:
        examples, labels = self.examples, self.examples.labels[task][rows]
        frame = pd.DataFrame(
            {"seed": seed, "split": split, "example": names, "participant": examples.participants[rows]}
        )
        if task not in examples.classes:
            return frame.assign(target=labels, prediction=values[:, 0])[np.isfinite(labels)]
        classes = np.asarray(examples.classes[task])
        # The binary rule of metrics.predicted_class, p >= 0.5 for class 1, is argmax with ties to the last of two.
        chosen = (values[:, 1] >= values[:, 0]).astype(int) if len(classes) == 2 else values.argmax(1)
        frame = frame.assign(target=classes[labels], prediction=classes[chosen])
        return frame.assign(**{f"p_{name}": values[:, index] for index, name in enumerate(classes)})[labels >= 0]
