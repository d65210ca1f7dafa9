"""Decides from the probabilities that other stages wrote, seed by seed; the arithmetic is in jaxdep.fusion."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from input_pipeline.config import ConfigError
from input_pipeline.errors import DataError
from jaxdep import fusion, metrics
from jaxdep.config import FuseStage
from jaxdep.stages import StageRun

Decided = Mapping[str, Float[np.ndarray, "M G C"]]  # by split; NaN where a member has no decision for a recording


def run(config: FuseStage, stage: StageRun) -> None:
    """Writes predictions.csv, and of each seed and member its temperature and validation score in fusion.csv.

    Raises:
        ConfigError: the task has no classes, or something is to be fitted to a validation split that is not there.
        DataError: the predictions of a member cannot be read, or a regression cannot be fitted to them.
    """
    task = next(iter(config.tasks))
    if task not in stage.examples.classes:
        raise ConfigError(f"stages.{stage.name}.tasks.{task}: fusion needs probabilities of classes, this is a score")
    members = [_read(stage.other(name).folder / "predictions.csv", task, stage) for name in config.members]
    lacks, remarks = _lacking(config, stage)
    nobody = np.zeros(0, int), np.zeros((0, len(stage.examples.classes[task])))
    written = [stage.predictions(task, split, 0, *nobody) for split in config.report]
    fitted: list[dict[str, Any]] = []
    undecided = dict.fromkeys(config.report, 0)
    for seed in sorted(set.intersection(*map(set, members))):
        decided = _of_seed([member[seed] for member in members], task, stage)
        validation, temperatures = _fit(config, task, stage, decided)
        fitted += [
            {"seed": seed, "member": name, "temperature": temperature, "validation_score": score}
            for name, temperature, score in zip(config.members, temperatures, validation.scores, strict=True)
        ]
        for split in config.report:
            groups = np.flatnonzero(np.isfinite(decided[split]).all(-1).any(0))  # those of whom anything is known
            there = _calibrated(decided[split][:, groups], temperatures)
            there[lacks[:, groups]] = np.nan
            values = fusion.combine(config.rule, there, validation, balanced=config.tasks[task].balanced)
            is_decided = np.isfinite(values).all(1)
            undecided[split] = max(undecided[split], int((~is_decided).sum()))
            written.append(stage.predictions(task, split, seed, groups[is_decided], values[is_decided]))
    remarks += [f"No decision, since no member has one: {n} recordings of {s}." for s, n in undecided.items() if n]
    stage.write_csv("predictions.csv", pd.concat(written, ignore_index=True))
    columns = ["seed", "member", "temperature", "validation_score"]
    stage.write_csv("fusion.csv", pd.DataFrame(fitted, columns=columns))
    diverged = sorted({seed for name in config.members for seed in stage.other(name).record["diverged"]})
    stage.remember(diverged=diverged, remark=" ".join(remarks + _what_was_fitted(config, fitted)))


def _read(path: Path, task: str, stage: StageRun) -> dict[int, pd.DataFrame]:
    """A member's decisions by seed."""
    columns = ["seed", "split", "example", *(f"p_{name}" for name in stage.examples.classes[task])]
    try:
        table = pd.read_csv(path, usecols=columns, dtype={"example": str}, keep_default_na=False)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"{path}: no decisions to fuse ({reason}); delete the stage's folder and run it again"
        ) from None
    places = table.groupby("seed").indices
    return {int(seed): table.iloc[places[seed]] for seed in table["seed"].unique()}


def _lacking(config: FuseStage, stage: StageRun) -> tuple[Bool[np.ndarray, "M G"], list[str]]:
    """Which members have no say in which recordings, and what the report says of it."""
    examples = stage.examples
    of_group = examples.participants[examples.first_rows]
    lacks, remarks = np.zeros((len(config.members), len(of_group)), bool), []
    for missing in config.missing:
        participants, remark = stage.lacking(missing)
        lacks[config.members.index(missing.of)] = np.isin(of_group, participants)
        remarks.append(remark)
    return lacks, remarks


def _of_seed(tables: Sequence[pd.DataFrame], task: str, stage: StageRun) -> Decided:
    """The members' probabilities of one seed for all recordings of the corpus."""
    names, columns = stage.examples.group_ids, [f"p_{name}" for name in stage.examples.classes[task]]
    found = {split: np.full((len(tables), len(names), len(columns)), np.nan) for split in ("validation", "test")}
    order = np.argsort(names)
    for member, table in enumerate(tables):
        for split, rows in table.groupby("split"):
            place = order[np.searchsorted(names[order], rows["example"].to_numpy(str))]
            found[str(split)][member, place] = rows[columns]
    return found


def _fit(config: FuseStage, task: str, stage: StageRun, decided: Decided) -> tuple[fusion.Validation, list[float]]:
    """The validation decisions, calibrated, with each member's score; and the members' temperatures."""
    target = stage.examples.labels[task][stage.examples.first_rows]
    known = np.isfinite(decided["validation"]).all(-1).any(0) & (target >= 0)
    if not known.any() and (config.calibration != "none" or config.rule in ("weighted", "stacked")):
        raise ConfigError(
            f"stages.{stage.name}: rule {config.rule!r} with calibration {config.calibration!r} is fitted to the "
            "validation split; there is none"
        )
    probabilities, target = decided["validation"][:, known], target[known]
    temperatures = [1.0] * len(config.members)
    if config.calibration == "temperature":
        temperatures = [fusion.temperature(member, target) for member in probabilities]
    calibrated = _calibrated(probabilities, temperatures)
    scores = np.full(len(temperatures), np.nan)
    if config.rule == "weighted":
        scores = np.array([_score(config.weight_by, member, target) for member in calibrated])
    return fusion.Validation(calibrated, target, scores), temperatures


def _calibrated(probabilities: Float[np.ndarray, "M U C"], temperatures: Sequence[float]) -> np.ndarray:
    return np.stack([fusion.calibrated(*member) for member in zip(probabilities, temperatures, strict=True)])


def _score(metric: str, probabilities: Float[np.ndarray, "U C"], target: Int[np.ndarray, " U"]) -> float:
    there = np.isfinite(probabilities).all(-1)
    if not there.any():
        return 0.0
    found = metrics.classification(
        jnp.asarray(target[there]), jnp.asarray(probabilities[there]), probabilities.shape[-1]
    )
    return float(found[metric])


def _what_was_fitted(config: FuseStage, fitted: Sequence[Mapping[str, Any]]) -> list[str]:
    """For the report: what of the fusion comes from the validation split."""
    what = ["temperatures"] * (config.calibration == "temperature")
    what += {"weighted": ["weights"], "stacked": ["regression"]}.get(config.rule, [])
    if not what or not fitted:
        return []
    optimistic = ", which is scored here: optimistic" if "validation" in config.report else ""
    sentences = [f"Fitted to validation{optimistic}: {' and '.join(what)}."]
    if config.calibration == "temperature":
        means = pd.DataFrame(fitted).groupby("member", sort=False)["temperature"].mean()
        listed = ", ".join(f"{name} {value:.2f}" for name, value in means.items())
        sentences.append(f"Temperature, mean over the seeds: {listed}.")
    return sentences
