"""The spread of detectors over the seeds against that of others."""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

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
    paired = stage.validates_by_seed(config.data.splits)
    table = pd.DataFrame(
        [
            (
                *(stage.stages[row].label, stage.stages[other].label, "test", config.metric),
                *_compared(of_stage[row], of_stage[other], paired),
                math.nan,
            )
            for row in config.rows
            for other in config.against
        ],
        columns=list(STABILITY.columns),
    )
    stage.write_csv(STABILITY.name, table.assign(p_holm=stability.holm(table["p"].to_numpy())))
    stage.remember()


def _compared(row: Mapping[int, float], other: Mapping[int, float], paired: bool) -> tuple[float, ...]:
    """The columns from `n` to `p` of two rows; of pairs those that both have."""
    both = row.keys() & other.keys()
    a, b = (np.array([score for seed, score in x.items() if seed in both or not paired]) for x in (row, other))
    found = stability.spread_ratio(a, b, paired=paired)
    std = (stability.summary(values).std for values in (a, b))
    return (len(a), len(b), *std, found.ratio, found.ci_low, found.ci_high, int(paired), found.p)


def _scores(name: str, metric: str, stage: StageRun) -> dict[int, float]:
    """By seed, the score of another stage on the test split, where it has one."""
    scored = stage.stages[name]
    assert isinstance(scored, ScoredStage)  # StabilityStage.check_need
    classes = stage.examples.classes.get(scored.task, ())
    positive = classes[1] if len(classes) == 2 else None
    found = scores.read(Row(name, scored.label, "test", (metric,), positive, classes), stage.folder.parent.parent)
    return {seed: x for seed, x in zip(found.seeds, found.per_seed[metric].tolist(), strict=True) if np.isfinite(x)}
