"""Computes every seed's final scores from predictions.csv, the one place that a report's figures come from."""

import dataclasses
import json
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import pandas as pd
from jaxtyping import Array, Float

from input_pipeline.config import ConfigError
from input_pipeline.errors import DataError
from jaxdep.config.rows import Row
from jaxdep.report.csv_files import numbers, read_csv, refuse
from jaxdep.statistics import metrics, participants

RUN = ["seed", "draw"]
_KEYS = ["seed", "split", "example", "participant", "target", "prediction"]

_of_confusion = jax.jit(metrics.of_confusion, static_argnames=("positive", "classes"))
_of_probabilities = jax.jit(metrics.of_probabilities, static_argnames=("positive",))
_regression = jax.jit(metrics.regression)
_confusion = jax.jit(metrics.confusion, static_argnames=("n_classes",))
_confidence_bins = jax.jit(metrics.confidence_bins)
_means = {one.__name__: jax.jit(one) for one in (metrics.log_loss, metrics.rmse_one_hot, metrics.mae, metrics.rmse)}


@dataclasses.dataclass(frozen=True)
class RowScores:
    """A row with what its seeds scored. Seeds that diverged are in `diverged` and nowhere else.

    Attributes:
        seeds: global ids, ascending.
        per_seed: by metric of the row, and by confusion count of a binary task, one score a seed; where it is drawn several
            times who lacks a modality, its mean over the draws.
        per_draw: the same, one score a draw, its mean over the seeds; empty where nothing is drawn several times.
        counts: confusion counts, rows = target, mean over seeds; None for a regression task.
        examples: for a regression task one line an example: target and the 10, 50 and 90 % quantiles of the predictions
            over seeds, in columns target, q10, q50, q90; None for a classification task.
        n_examples: in the split, for one seed (the most of any seed).
        bins: where the row asks for its calibration, the decisions of all seeds by their confidence, else None.
        n_participants: in the split, of all seeds together.
        over_participants: by metric the 95 % interval of the mean over the seeds, were other participants scored; where
            there are enough of them (`participants.LEAST`), and the metric is a function of sums over participants.
    """

    row: Row
    seeds: tuple[int, ...]
    diverged: tuple[int, ...]
    per_seed: dict[str, Float[np.ndarray, " S"]]
    counts: Float[np.ndarray, "C C"] | None
    examples: pd.DataFrame | None
    n_examples: int
    bins: metrics.ConfidenceBins | None = None
    n_participants: int = 0
    over_participants: dict[str, participants.Interval] = dataclasses.field(default_factory=dict)
    per_draw: dict[str, Float[np.ndarray, " D"]] = dataclasses.field(default_factory=dict)


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
    intervals: dict[str, participants.Interval] = {}
    counts = examples = bins = None
    n_participants = frame["participant"].nunique()
    if not frame.empty:
        decided = _decided(row, path, frame)
        with jax.enable_x64(True):  # figures of a table are exact to the last digit shown, on every backend
            if row.classes:
                found, counts, bins = _classified(row, decided)
            else:
                found = _regressed(decided)
            if n_participants >= participants.LEAST:
                intervals = _over_participants(row, decided)
        examples = None if row.classes else _examples(decided)
    # [S, D]: a seed is scored once, or once a draw.
    scored = {
        name: np.asarray(found[name]).reshape(len(seeds), -1)
        for name in (*row.metrics, *metrics.COUNTS)
        if name in found
    }
    per_seed = {name: values.mean(axis=1) for name, values in scored.items()}
    per_draw = {name: values.mean(axis=0) for name, values in scored.items() if values.shape[1] > 1}
    unknown = [name for name in row.metrics if name not in found]
    if unknown and not frame.empty:
        raise ConfigError(
            f"row {row.label!r}: metrics: no {unknown[0]!r} from {path}; there are {', '.join(sorted(found))}"
        )
    per_seed |= {name: np.zeros(0) for name in unknown}
    n_examples = 0 if frame.empty else int(frame.groupby(RUN).size().max())
    return RowScores(
        row, seeds, diverged, per_seed, counts, examples, n_examples, bins, n_participants, intervals, per_draw
    )


def read_metrics(path: Path) -> pd.DataFrame:
    """A stage's metrics.csv: columns seed, split, epoch, metric, value. Raises DataError naming what is wrong in it."""
    frame = read_csv(path, ["seed", "split", "epoch", "metric", "value"])
    for name in ("seed", "epoch"):
        frame[name] = numbers(path, frame, name, whole=True)
    return frame.assign(value=numbers(path, frame, "value"))


class _Decided(NamedTuple):
    """The decisions of a row as numbers, one a line of `frame`: indices of classes, or scores.

    Attributes:
        probabilities: [rows, classes], where the stage wrote them.
    """

    frame: pd.DataFrame
    target: np.ndarray
    prediction: np.ndarray
    probabilities: Float[np.ndarray, "rows C"] | None

    def as_numbers(self, levels: Float[np.ndarray, " C"]) -> "_Decided":
        """With the number that each class stands for in place of its index."""
        return self._replace(target=levels[self.target], prediction=levels[self.prediction])


def _decided(row: Row, path: Path, frame: pd.DataFrame) -> _Decided:
    if not row.classes:
        return _Decided(frame, numbers(path, frame, "target"), numbers(path, frame, "prediction"), None)
    index = {label: number for number, label in enumerate(row.classes)}
    for name in ("target", "prediction"):
        refuse(path, frame, name, ~frame[name].isin(index.keys()), f"is none of the classes {', '.join(row.classes)}")
    target, prediction = (frame[name].map(index).to_numpy(np.int64) for name in ("target", "prediction"))
    columns = [f"p_{label}" for label in row.classes]
    if not set(columns) <= set(frame.columns):
        return _Decided(frame, target, prediction, None)
    return _Decided(frame, target, prediction, np.stack([numbers(path, frame, name) for name in columns], axis=-1))


def _positive(row: Row) -> int | None:
    return None if row.positive is None else row.classes.index(row.positive)


def _classified(
    row: Row, decided: _Decided
) -> tuple[dict[str, Array], Float[np.ndarray, "C C"], metrics.ConfidenceBins | None]:
    """The metrics of each run, the mean confusion counts, and the bins of all runs together."""
    target, weight = _laid_out(decided, decided.target, "run")
    prediction, _ = _laid_out(decided, decided.prediction, "run")
    positive, bins = _positive(row), None
    counts = _confusion(target, prediction, len(row.classes), weight)
    found = _of_confusion(counts, positive, row.classes)
    if decided.probabilities is not None:
        values, _ = _laid_out(decided, decided.probabilities, "run")
        found |= _of_probabilities(target, values, weight, positive)
        if "ece" in row.metrics:
            of_seeds = _confidence_bins(target, values, weight)
            bins = metrics.ConfidenceBins(*(np.asarray(sums).sum(axis=0) for sums in of_seeds))
    if (levels := metrics.levels(row.classes)) is not None:
        found |= _regressed(decided.as_numbers(np.asarray(levels)))
    return found, np.asarray(counts).mean(axis=0), bins


def _regressed(decided: _Decided) -> dict[str, Array]:
    target, weight = _laid_out(decided, decided.target, "run")
    return _regression(target, _laid_out(decided, decided.prediction, "run")[0], weight)


def _over_participants(row: Row, decided: _Decided) -> dict[str, participants.Interval]:
    """The intervals over participants of those of the row's metrics that are functions of sums over them."""
    keys = ("participant", "run")
    n_participants = decided.frame["participant"].nunique()
    target, weight = _laid_out(decided, decided.target, *keys)  # [P, runs, N]
    prediction, _ = _laid_out(decided, decided.prediction, *keys)

    def own(values: Array) -> Array:
        return values[:n_participants]

    found: dict[str, participants.Interval] = {}
    scores: dict[str, Array] = {}
    if row.classes:
        counts = np.asarray(own(_confusion(target, prediction, len(row.classes), weight)))
        found |= participants.of_confusion(counts, _positive(row), row.classes, tuple(row.metrics))
        if decided.probabilities is not None:
            values, _ = _laid_out(decided, decided.probabilities, *keys)
            found["ece"] = participants.of_bins(
                metrics.ConfidenceBins(*map(own, _confidence_bins(target, values, weight)))
            )
            scores |= {name: _means[name](target, values, weight) for name in ("log_loss", "rmse_one_hot")}
    levels = metrics.levels(row.classes) if row.classes else None
    if levels is not None or not row.classes:
        numeric = decided if levels is None else decided.as_numbers(np.asarray(levels))
        target, prediction = (_laid_out(numeric, values, *keys)[0] for values in (numeric.target, numeric.prediction))
        scores |= {name: _means[name](target, prediction, weight) for name in ("mae", "rmse")}
    n_examples = weight[:n_participants].sum(-1)
    for name, power in participants.MEANS.items():
        if name in scores and name in row.metrics:
            found[name] = participants.of_mean(np.asarray(own(scores[name])), n_examples, power)
    return {name: found[name] for name in row.metrics if name in found}


def _examples(decided: _Decided) -> pd.DataFrame:
    values = decided.frame.assign(target=decided.target, prediction=decided.prediction)
    groups = values.groupby("example", sort=True)
    quantiles = {f"q{percent}": groups["prediction"].quantile(percent / 100) for percent in (10, 50, 90)}
    return pd.DataFrame({"target": groups["target"].first()} | quantiles).reset_index(drop=True)


def _laid_out(decided: _Decided, values: np.ndarray, *keys: str) -> tuple[np.ndarray, Float[np.ndarray, "*keys N"]]:
    """Values [rows, ...] as [*keys, N, ...] with their weights: who has fewer examples than others ends in weight 0.

    N, and the first of several keys, are rounded up, all of weight 0: each shape is a program to be compiled, which took
    four fifths of the time of a report with many rows.
    """
    frame = decided.frame
    nth = frame.groupby(list(keys)).cumcount().to_numpy()
    places = (*(np.unique(frame[key].to_numpy(), return_inverse=True)[1] for key in keys), nth)
    shape = [int(place.max()) + 1 for place in places]
    for axis in {len(keys)} | ({0} if len(keys) > 1 else set()):
        shape[axis] = _rounded(shape[axis])
    table, weight = np.zeros((*shape, *values.shape[1:]), values.dtype), np.zeros(shape)
    table[places], weight[places] = values, 1
    return table, weight


def _rounded(size: int) -> int:
    """The next power of two, or, where it is enough, three quarters of that."""
    power = 1 << max(0, size - 1).bit_length()
    return power * 3 // 4 if power > 2 and size <= power * 3 // 4 else power


def _predictions(path: Path, row: Row, diverged: tuple[int, ...]) -> pd.DataFrame:
    """The rows of one split and the seeds that did not diverge, ordered by seed, draw and example, text as written.

    A `run` is what is scored at once: a seed, or of several draws one of them.
    """
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
    several = "draw" in frame.columns
    frame["draw"] = numbers(path, frame, "draw", whole=True) if several else 0
    again = frame.duplicated([*RUN, "example"])
    refuse(path, frame, "example", again, "stands there twice for one seed; delete the stage's folder and run it again")
    draws = frame.groupby("seed")["draw"].transform("nunique")
    told = frame.assign(draw=frame["draw"].astype(str))
    refuse(path, told, "draw", draws != frame["draw"].nunique(), "is of a seed that lacks some of the draws")
    frame = frame[~frame["seed"].isin(diverged)].sort_values([*RUN, "example"], kind="stable")
    return frame.assign(run=frame.groupby(RUN).ngroup())


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
