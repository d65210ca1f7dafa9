"""The files of decisions that a stage with trained seeds leaves."""

from collections.abc import Iterable, Sequence

import jax
import numpy as np
import pandas as pd

from jaxdep.config import Further
from jaxdep.config.rows import PREDICTIONS, VARIANT_PREDICTIONS, WINDOW_PREDICTIONS, predictions_file
from jaxdep.engine.ensemble import Ensemble
from jaxdep.engine.program import SeedState
from jaxdep.stages import PREDICTION_COLUMNS, StageRun


def predictions(
    tasks: Iterable[str],
    stage: StageRun,
    ensemble: Ensemble,
    states: SeedState,
    *,
    further: Sequence[Further] = (),
    score_windows: bool = False,
) -> dict[str, pd.DataFrame]:
    """By file name the tables predictions.csv of the first task, predictions_<task>.csv of any further one; without the
    diverged seeds.

    Where there are folds, a seed's decisions on all of them stand there, and in which fold; where there is a sweep, those
    of the variants that were chosen, and which.

    Args:
        further: decisions that are compared with another label, in predictions_<label>.csv.
        score_windows: whether predictions_windows.csv has the first task's decisions on the single examples.

    Raises:
        ConfigError: the corpus has no such label, or one of another kind.
    """
    kept, columns = _kept(stage, ensemble), lane_columns(stage, ensemble)
    first = next(iter(tasks))
    compared = {task: task for task in tasks} | {row.against: row.task for row in further}
    tables: dict[str, list[pd.DataFrame]] = {}
    for part in ("validation", "test"):
        if part not in ensemble.units[0]:
            continue
        decided, rows = jax.tree.map(np.asarray, ensemble.predict(states, part)), ensemble.rows(part)
        for label, task in compared.items():
            units = decided[task].units
            nobody = np.zeros(0, int), units[0, :0]
            of_label = tables.setdefault(predictions_file(label, first), [])
            of_label.append(stage.predictions(label, part, 0, *nobody))  # the columns, should all seeds have diverged
            for index in kept:
                groups = ensemble.units[index][part].groups
                found = stage.predictions(label, part, ensemble.lanes[index].seed, groups, units[index, : len(groups)])
                of_label.append(_with_lane(found, columns, index))
        if score_windows:
            examples = decided[first].examples
            of_windows = tables.setdefault(WINDOW_PREDICTIONS, [])
            of_windows.append(stage.window_predictions(first, part, 0, np.zeros(0, int), examples[0, :0]))
            for index in kept:
                there, seed = rows[index] >= 0, ensemble.lanes[index].seed
                found = stage.window_predictions(first, part, seed, rows[index, there], examples[index, there])
                of_windows.append(_with_lane(found, columns, index))
    nothing = {PREDICTIONS: [pd.DataFrame(columns=PREDICTION_COLUMNS)]}
    return {name: pd.concat(parts, ignore_index=True) for name, parts in (tables or nothing).items()}


def write_variants(task: str, stage: StageRun, ensemble: Ensemble, states: SeedState) -> None:
    """predictions_variants.csv: a task's decisions of every variant, without its diverged seeds."""
    diverged = [set(variant["diverged"]) for variant in stage.record["variants"].values()]
    tables, columns = [], lane_columns(stage, ensemble)
    for part in [part for part in ("validation", "test") if part in ensemble.units[0]]:
        units = np.asarray(ensemble.predict(states, part)[task].units)
        for index, lane in enumerate(ensemble.lanes):
            if lane.seed not in diverged[lane.variant]:
                groups = ensemble.units[index][part].groups
                found = stage.predictions(task, part, lane.seed, groups, units[index, : len(groups)])
                tables.append(_with_lane(found, columns, index))
    nothing = [pd.DataFrame(columns=[*PREDICTION_COLUMNS, *columns])]  # should all seeds have diverged
    stage.write_csv(VARIANT_PREDICTIONS, pd.concat(tables or nothing, ignore_index=True))


def _kept(stage: StageRun, ensemble: Ensemble) -> list[int]:
    """The lanes whose decisions are reported: of the variants that were chosen, and of no seed that diverged."""
    diverged, chosen = set(stage.record["diverged"]), stage.record["chosen"]
    return [
        index
        for index, lane in enumerate(ensemble.lanes)
        if lane.seed not in diverged and lane.variant == chosen[lane.fold]
    ]


def lane_columns(stage: StageRun, ensemble: Ensemble) -> pd.DataFrame:
    """What the files say of each lane besides its seed: its fold and its variant, where there are several."""
    record, lanes = stage.record, ensemble.lanes
    names, columns = list(record["variants"]), pd.DataFrame(index=range(len(lanes)))
    if len(record["chosen"]) > 1:
        columns["fold"] = [lane.fold for lane in lanes]
    if len(names) > 1:
        columns["variant"] = [names[lane.variant] for lane in lanes]
    return columns


def _with_lane(table: pd.DataFrame, columns: pd.DataFrame, index: int) -> pd.DataFrame:
    """The rows of a lane with its fold and variant."""
    return table.assign(**{str(name): value for name, value in columns.loc[index].items()})
