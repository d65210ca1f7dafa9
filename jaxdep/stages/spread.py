"""The spread of detectors over the seeds against that of others."""

import numpy as np
import pandas as pd
from jaxtyping import Float

from jaxdep.config import ScoredStage, StabilityStage
from jaxdep.config.rows import Row
from jaxdep.config.stages.stability import STABILITY
from jaxdep.report import scores
from jaxdep.stages import StageRun
from jaxdep.statistics import stability


def run(config: StabilityStage, stage: StageRun) -> None:
    """Writes stability.csv: the STD over the seeds of each row against that of each other one, with their ratio.

    Raises:
        ConfigError: a stage's predictions have no such metric.
        DataError: they cannot be read.
    """
    of_stage = {name: _scores(name, config.metric, stage) for name in (*config.rows, *config.against)}
    std = {name: stability.summary(values).std for name, values in of_stage.items()}
    table = [
        (
            *(stage.stages[row].label, stage.stages[other].label, "test", config.metric),
            *(len(of_stage[row]), len(of_stage[other]), std[row], std[other]),
            *stability.spread_ratio(of_stage[row], of_stage[other]),
        )
        for row in config.rows
        for other in config.against
    ]
    stage.write_csv(STABILITY.name, pd.DataFrame(table, columns=list(STABILITY.columns)))
    stage.remember()


def _scores(name: str, metric: str, stage: StageRun) -> Float[np.ndarray, " S"]:
    """The score of each seed of another stage on the test split, where it has one."""
    scored = stage.stages[name]
    assert isinstance(scored, ScoredStage)  # StabilityStage.check_need
    classes = stage.examples.classes.get(scored.task, ())
    positive = classes[1] if len(classes) == 2 else None
    row = Row(name, scored.label, "test", (metric,), positive, classes)
    values = np.asarray(scores.read(row, stage.folder.parent.parent).per_seed[metric])
    return values[np.isfinite(values)]
