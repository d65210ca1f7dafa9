"""Writes a stage's metrics for TensorBoard: mean and quantiles over the seeds, not a tag for each seed."""

from pathlib import Path

import numpy as np
import pandas as pd

QUANTILES = (10, 50, 90)


def write_events(logdir: Path, metrics: pd.DataFrame) -> None:
    """Writes tags `<split>/<metric>/mean`, `/q10`, `/q50` and `/q90` by epoch, over the seeds with a finite value.

    Event files already in `logdir` are replaced, so that a resumed run does not stand there twice.

    Args:
        logdir: made where it is not there; nothing but event files is touched in it.
        metrics: columns seed, split, epoch, metric, value, as in a stage's metrics.csv.
    """
    from tensorboardX import SummaryWriter  # loads PyTorch where that is installed

    logdir.mkdir(parents=True, exist_ok=True)
    for stale in logdir.glob("events.out.tfevents.*"):
        stale.unlink()
    finite = metrics[np.isfinite(metrics["value"])]
    groups = finite.groupby(["split", "metric", "epoch"])["value"]
    curves = pd.DataFrame({"mean": groups.mean()} | {f"q{level}": groups.quantile(level / 100) for level in QUANTILES})
    with SummaryWriter(str(logdir)) as writer:
        for row in curves.reset_index().to_dict("records"):
            for statistic in curves.columns:
                writer.add_scalar(f"{row['split']}/{row['metric']}/{statistic}", row[statistic], row["epoch"])
