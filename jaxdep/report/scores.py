"""Computes every seed's final scores from predictions.csv, the one place that a report's figures come from."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd
from jaxtyping import Array, Float

from input_pipeline.config import ConfigError
from input_pipeline.errors import DataError
from jaxdep.config.rows import Row
from jaxdep.report.csv_files import numbers, read_csv, refuse
from jaxdep.statistics import metrics

_KEYS = ["seed", "split", "example", "participant", "target", "prediction"]

_classification = jax.jit(metrics.classification, static_argnames=("n_classes", "positive", "classes"))
_of_probabilities = jax.jit(metrics.of_probabilities, static_argnames=("positive",))
_regression = jax.jit(metrics.regression)


@dataclasses.dataclass(frozen=True)
class RowScores:
    """A row with what its seeds scored. Seeds that diverged are in `diverged` and nowhere else.

    Attributes:
        seeds: global ids, ascending.
        per_seed: by metric of the row, and by confusion count of a binary task, one score a seed.
        counts: confusion counts, rows = target, mean over seeds; None for a regression task.
        examples: for a regression task one line an example: target and the 10, 50 and 90 % quantiles of the predictions
            over seeds, in columns target, q10, q50, q90; None for a classification task.
        n_examples: in the split, for one seed (the most of any seed).
        bins: where the row asks for its calibration, the decisions of all seeds by their confidence, else None.
    """

    row: Row
    seeds: tuple[int, ...]
    diverged: tuple[int, ...]
    per_seed: dict[str, Float[np.ndarray, " S"]]
    counts: Float[np.ndarray, "C C"] | None
    examples: pd.DataFrame | None
    n_examples: int
    bins: metrics.ConfidenceBins | None = None


def read(row: Row, workdir: Path) -> RowScores:
    """The scores of a row from the files of its stage.

    Raises:
        DataError: a file is missing or wrong; the message names file, line and field.
        ConfigError: the row asks for a metric that the predictions cannot give.
    """
    path = workdir / "stages" / row.stage / row.predictions
    diverged = _diverged(path.with_name("stage.json"), row.variant)
    frame = _predictions(path, row, diverged)
    seeds = tuple(int(seed) for seed in np.unique(frame["seed"]))
    found: dict[str, Array] = {}
    counts = examples = bins = None
    if not frame.empty:
        with jax.enable_x64(True):  # figures of a table are exact to the last digit shown, on every backend
            if row.classes:
                found, counts, bins = _classified(row, path, frame)
            else:
                found = _regressed(path, frame)
        examples = None if row.classes else _examples(path, frame)
    per_seed = {name: np.asarray(found[name]) for name in (*row.metrics, *metrics.COUNTS) if name in found}
    unknown = [name for name in row.metrics if name not in found]
    if unknown and not frame.empty:
        raise ConfigError(
            f"row {row.label!r}: metrics: no {unknown[0]!r} from {path}; there are {', '.join(sorted(found))}"
        )
    per_seed |= {name: np.zeros(0) for name in unknown}
    n_examples = 0 if frame.empty else int(frame.groupby("seed").size().max())
    return RowScores(row, seeds, diverged, per_seed, counts, examples, n_examples, bins)


def read_metrics(path: Path) -> pd.DataFrame:
    """A stage's metrics.csv: columns seed, split, epoch, metric, value. Raises DataError naming what is wrong in it."""
    frame = read_csv(path, ["seed", "split", "epoch", "metric", "value"])
    for name in ("seed", "epoch"):
        frame[name] = numbers(path, frame, name, whole=True)
    return frame.assign(value=numbers(path, frame, "value"))


def _classified(
    row: Row, path: Path, frame: pd.DataFrame
) -> tuple[dict[str, Array], Float[np.ndarray, "C C"], metrics.ConfidenceBins | None]:
    """The metrics of each seed, the mean confusion counts, and the bins of all seeds together."""
    index = {label: number for number, label in enumerate(row.classes)}
    for name in ("target", "prediction"):
        refuse(path, frame, name, ~frame[name].isin(index.keys()), f"is none of the classes {', '.join(row.classes)}")
    target, weight = _by_seed(frame, frame["target"].map(index).to_numpy(np.int64))
    prediction, _ = _by_seed(frame, frame["prediction"].map(index).to_numpy(np.int64))
    positive = None if row.positive is None else row.classes.index(row.positive)
    n_classes = len(row.classes)
    found = _classification(target, prediction, n_classes, weight, positive, row.classes)
    columns, bins = [f"p_{label}" for label in row.classes], None
    if set(columns) <= set(frame.columns):
        values = _by_seed(frame, np.stack([numbers(path, frame, name) for name in columns], axis=-1))[0]
        found |= _of_probabilities(target, values, weight, positive)
        if "ece" in row.metrics:
            of_seeds = metrics.confidence_bins(target, values, weight)
            bins = metrics.ConfidenceBins(*(np.asarray(sums).sum(axis=0) for sums in of_seeds))
    if (levels := metrics.levels(row.classes)) is not None:
        found |= _regression(levels[target], levels[prediction], weight)
    counts = metrics.confusion(target, prediction, n_classes, weight)
    return found, np.asarray(counts).mean(axis=0), bins


def _regressed(path: Path, frame: pd.DataFrame) -> dict[str, Array]:
    target, weight = _by_seed(frame, numbers(path, frame, "target"))
    prediction, _ = _by_seed(frame, numbers(path, frame, "prediction"))
    return _regression(target, prediction, weight)


def _examples(path: Path, frame: pd.DataFrame) -> pd.DataFrame:
    values = frame.assign(target=numbers(path, frame, "target"), prediction=numbers(path, frame, "prediction"))
    groups = values.groupby("example", sort=True)
    quantiles = {f"q{percent}": groups["prediction"].quantile(percent / 100) for percent in (10, 50, 90)}
    return pd.DataFrame({"target": groups["target"].first()} | quantiles).reset_index(drop=True)


def _by_seed(frame: pd.DataFrame, values: np.ndarray) -> tuple[Array, Float[Array, "S N"]]:
    """Values [rows, ...] as [S, N, ...] with their weights: seeds with fewer examples than others end in weight 0."""
    seed = np.unique(frame["seed"].to_numpy(), return_inverse=True)[1]
    place = frame.groupby("seed").cumcount().to_numpy()
    shape = (seed.max() + 1, place.max() + 1)
    table, weight = np.zeros((*shape, *values.shape[1:]), values.dtype), np.zeros(shape)
    table[seed, place], weight[seed, place] = values, 1
    return jax.numpy.asarray(table), jax.numpy.asarray(weight)


def _predictions(path: Path, row: Row, diverged: tuple[int, ...]) -> pd.DataFrame:
    """The rows of one split and the seeds that did not diverge, ordered by seed and example, text as written."""
    split, frame = row.split, read_csv(path, [*_KEYS, "variant"] if row.variant else _KEYS)
    frame["seed"] = numbers(path, frame, "seed", whole=True)
    if row.variant:
        frame = frame[frame["variant"] == row.variant]
    found = sorted(frame["split"].unique())
    frame = frame[frame["split"] == split]
    if frame.empty and not diverged:
        raise DataError(
            f"{path}: split: no row of {split!r}, found {found}; run the stage again or correct the row's split"
        )
    again = frame.duplicated(["seed", "example"])
    refuse(path, frame, "example", again, "stands there twice for one seed; delete the stage's folder and run it again")
    return frame[~frame["seed"].isin(diverged)].sort_values(["seed", "example"], kind="stable")


def _diverged(path: Path, variant: str) -> tuple[int, ...]:
    """The seeds that stage.json marks as diverged, of a variant if it is named; none where a stage has no such file."""
    if not path.exists():
        return ()
    try:
        stage: Any = json.loads(path.read_text(encoding="utf-8"))
        record = stage["variants"][variant] if variant else stage
        return tuple(sorted(int(seed) for seed in record.get("diverged", ())))
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise DataError(
            f"{path}: diverged: expected a JSON object with a list of seeds ({error}); run the stage again"
        ) from None
