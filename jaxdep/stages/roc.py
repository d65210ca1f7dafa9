"""ROC curves of the decisions of other stages, seed by seed."""

import numpy as np
import pandas as pd
from jaxtyping import Float
from sklearn.metrics import auc, roc_curve

from input_pipeline.errors import DataError
from jaxdep.config import RocStage
from jaxdep.config.rows import PREDICTIONS
from jaxdep.config.stages.roc import AUC, ROC
from jaxdep.report.csv_files import numbers, read_csv
from jaxdep.stages import PREDICTION_COLUMNS, StageRun

QUANTILES = (0.1, 0.5, 0.9)  # over the seeds: the band's lower edge, the curve, the band's upper edge


def run(config: RocStage, stage: StageRun) -> None:
    """Writes roc.csv and auc.csv; seeds that diverged are in neither.

    Raises:
        DataError: a stage's predictions cannot be read, or the split has examples of one class alone.
    """
    positive = stage.examples.classes[config.task][1]
    grid = np.linspace(0, 1, config.points)
    curves, areas = [], []
    for name in config.rows:
        label, split = stage.stages[name].title, config.data.called(config.split)
        of_seeds = _of_seeds(name, config, stage, positive)
        low, median, high = np.quantile([read_off(*curve, grid) for curve in of_seeds.values()], QUANTILES, axis=0)
        curve = {"fpr": grid, "tpr_low": low, "tpr_median": median, "tpr_high": high}
        curves.append(pd.DataFrame({"row": label, "split": split, "positive": positive} | curve))
        areas.append(pd.DataFrame([(label, seed, auc(*curve)) for seed, curve in of_seeds.items()]))
    stage.write_csv(ROC.name, pd.concat(curves, ignore_index=True)[list(ROC.columns)])
    stage.write_csv(AUC.name, pd.concat(areas, ignore_index=True).set_axis(list(AUC.columns), axis=1))
    stage.remember()


def read_off(
    fpr: Float[np.ndarray, " n"], tpr: Float[np.ndarray, " n"], grid: Float[np.ndarray, " points"]
) -> Float[np.ndarray, " points"]:
    """The rates of true positives at those rates of false positives: where the curve rises straight up, its upper end."""
    upper = np.r_[np.diff(fpr) > 0, True]  # the last point at a rate is the highest
    starts = np.searchsorted(fpr[upper], grid, side="right") - 1
    x, y = fpr[upper], tpr[upper]
    lower = tpr[np.r_[True, np.diff(fpr) > 0]]  # where a rise begins, to which the line from the left leads
    ends = np.minimum(starts + 1, len(x) - 1)
    width = x[ends] - x[starts]
    share = np.divide(grid - x[starts], width, out=np.zeros_like(grid), where=width > 0)
    return y[starts] + share * (np.where(ends > starts, lower[ends], y[starts]) - y[starts])


def _of_seeds(
    name: str, config: RocStage, stage: StageRun, positive: str
) -> dict[int, tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]]:
    """By seed, the rates of false and of true positives at every threshold."""
    path = stage.folder.parent / name / PREDICTIONS
    frame = read_csv(path, [*PREDICTION_COLUMNS, f"p_{positive}"])
    frame = frame.assign(seed=numbers(path, frame, "seed", whole=True), score=numbers(path, frame, f"p_{positive}"))
    diverged = stage.other(name).record["diverged"]
    frame = frame[(frame["split"] == config.split) & ~frame["seed"].isin(diverged)]
    is_positive = frame["target"] == positive
    if frame.empty or is_positive.groupby(frame["seed"]).nunique().min() < 2:
        raise DataError(f"{path}: split {config.split!r} has not both classes under each seed; there is no ROC curve")
    return {
        int(str(seed)): roc_curve(rows["target"] == positive, rows["score"], drop_intermediate=False)[:2]
        for seed, rows in frame.groupby("seed")
    }
