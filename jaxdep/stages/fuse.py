"""Decides from the probabilities that other stages wrote, seed by seed; the arithmetic is in jaxdep.fusion."""

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from input_pipeline.config import ConfigError
from input_pipeline.errors import DataError
from jaxdep import fusion, metrics
from jaxdep.config import FuseStage
from jaxdep.stages import PREDICTION_COLUMNS, StageRun, lacking

Decided = dict[str, Float[np.ndarray, "M G C"]]  # by split; NaN where a member has no decision for a recording


def run(config: FuseStage, stage: StageRun) -> None:
    """Writes predictions.csv, and of each seed and member its temperature and validation score in fusion.csv.

    Raises:
        ConfigError: the task has no classes, or nothing was decided on a validation split that the fusion needs.
        DataError: the predictions of a member are not there, or of other classes.
    """
    task = next(iter(config.tasks))
    if task not in stage.examples.classes:
        raise ConfigError(f"stages.{stage.name}.tasks.{task}: fusion needs probabilities of classes, this is a score")
    better_the_higher = set(metrics.names(stage.examples.classes[task])) - metrics.LOWER_IS_BETTER
    if config.weight_by not in better_the_higher:
        near = difflib.get_close_matches(config.weight_by, better_the_higher, n=1, cutoff=0.0)
        raise ConfigError(
            f"stages.{stage.name}.weight_by: no metric {config.weight_by!r} that is better the higher; did you mean {near[0]!r}?"
        )
    tables = [
        _read(stage.other(name).folder / "predictions.csv", stage.examples.classes[task]) for name in config.members
    ]
    seeds = sorted(set.intersection(*(set(table["seed"]) for table in tables)))
    left_out, remarks = _left_out(config, stage, tables)
    written, fitted = [pd.DataFrame(columns=PREDICTION_COLUMNS)], []
    undecided = dict.fromkeys(config.report, 0)
    for seed in seeds:
        decided = _of_seed([table[table["seed"] == seed] for table in tables], stage)
        validation, temperatures = _fit(config, stage, decided)
        fitted += [
            {"seed": seed, "member": name, "temperature": t, f"validation_{config.weight_by}": score}
            for name, t, score in zip(config.members, temperatures, validation.scores, strict=True)
        ]
        for split in config.report:
            found = np.stack([fusion.calibrated(p, t) for p, t in zip(decided[split], temperatures, strict=True)])
            for member, groups in left_out[split].items():
                found[member, groups] = np.nan
            groups = np.flatnonzero(np.isfinite(decided[split]).all(-1).any(0))  # who has a decision at all
            values = fusion.combine(config.rule, found[:, groups], validation, balanced=config.tasks[task].balanced)
            is_decided = np.isfinite(values).all(1)
            undecided[split] = max(undecided[split], int((~is_decided).sum()))
            written.append(stage.predictions(task, split, seed, groups[is_decided], values[is_decided]))
    remarks += [f"No decision, since no member has one: {n} recordings of {s}." for s, n in undecided.items() if n]
    stage.write_csv("predictions.csv", pd.concat(written, ignore_index=True))
    stage.write_csv("fusion.csv", pd.DataFrame(fitted))
    diverged = sorted({seed for name in config.members for seed in stage.other(name).record["diverged"]})
    stage.remember(diverged=diverged, remark=" ".join(remarks + _temperatures(config, fitted)))


def _read(path: Path, classes: Sequence[str]) -> pd.DataFrame:
    columns = ["seed", "split", "example", *(f"p_{name}" for name in classes)]
    try:
        return pd.read_csv(path, dtype={"example": str, "participant": str}, usecols=[*columns, "participant"])
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"{path}: no decisions to fuse ({reason}); delete the stage's folder and run it again"
        ) from None


def _left_out(
    config: FuseStage, stage: StageRun, tables: Sequence[pd.DataFrame]
) -> tuple[dict[str, dict[int, Int[np.ndarray, " g"]]], list[str]]:
    """By split and member, the recordings of the participants who lack it; and what to say of them."""
    left_out: dict[str, dict[int, np.ndarray]] = {split: {} for split in config.report}
    remarks = []
    for missing in config.missing:
        member = config.members.index(missing.of)
        for split in config.report:
            here = pd.concat([table[table["split"] == split] for table in tables]).drop_duplicates("example")
            participants, remark = lacking(missing, split, here["participant"].to_numpy())
            examples = here["example"][here["participant"].isin(participants)]
            left_out[split][member] = np.flatnonzero(np.isin(stage.examples.group_ids, examples))
            remarks.append(remark)
    return left_out, remarks


def _of_seed(tables: Sequence[pd.DataFrame], stage: StageRun) -> Decided:
    """The members' probabilities of one seed for all recordings of the corpus."""
    names, classes = stage.examples.group_ids, [name for name in tables[0].columns if name.startswith("p_")]
    place = {name: index for index, name in enumerate(names)}
    shape = len(tables), len(names), len(classes)
    found = {split: np.full(shape, np.nan) for split in ("validation", "test")}
    for member, table in enumerate(tables):
        for split, rows in table.groupby("split"):
            found[str(split)][member, rows["example"].map(place)] = rows[classes]
    return found


def _fit(config: FuseStage, stage: StageRun, decided: Decided) -> tuple[fusion.Validation, list[float]]:
    """The validation decisions, calibrated, with each member's score; and the members' temperatures."""
    task = next(iter(config.tasks))
    first = np.unique(stage.examples.groups, return_index=True)[1]
    target = stage.examples.labels[task][first]
    known = np.isfinite(decided["validation"]).all(-1).any(0) & (target >= 0)
    if not known.any() and (config.calibration != "none" or config.rule in ("weighted", "stacked")):
        raise ConfigError(
            f"stages.{stage.name}: {config.rule} with calibration {config.calibration!r} is fitted to the validation "
            "split; there is none"
        )
    probabilities, target = decided["validation"][:, known], target[known]
    fit = fusion.temperature if config.calibration == "temperature" else lambda *_: 1.0
    temperatures = [fit(member, target) for member in probabilities]
    scaled = [fusion.calibrated(member, t) for member, t in zip(probabilities, temperatures, strict=True)]
    scores = np.array([_score(member, target, config, stage) for member in scaled])
    return fusion.Validation(np.stack(scaled), target, scores), temperatures


def _score(probabilities: np.ndarray, target: np.ndarray, config: FuseStage, stage: StageRun) -> float:
    there = np.isfinite(probabilities).all(-1)
    if not there.any():
        return 0.0
    found: Mapping[str, object] = metrics.classification(
        jnp.asarray(target[there]), jnp.asarray(probabilities[there]), probabilities.shape[-1]
    )
    return float(found[config.weight_by])  # type: ignore[arg-type]


def _temperatures(config: FuseStage, fitted: Sequence[Mapping[str, object]]) -> list[str]:
    if config.calibration == "none" or not fitted:
        return []
    means = pd.DataFrame(fitted).groupby("member", sort=False)["temperature"].mean()
    return [
        "Temperature, mean over the seeds: " + ", ".join(f"{name} {value:.2f}" for name, value in means.items()) + "."
    ]
