"""Decides from the probabilities that other stages wrote; the arithmetic is in jaxdep.statistics.fusion."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from input_pipeline.config import ConfigError
from input_pipeline.errors import DataError
from jaxdep.config import FuseStage
from jaxdep.config.stages.fuse import CONFLICTS
from jaxdep.config.stages.missing import draws_of
from jaxdep.stages import OWN_VALIDATION, StageRun
from jaxdep.statistics import fusion, metrics

_classification = jax.jit(metrics.classification, static_argnames="n_classes")

Decided = Mapping[str, Float[np.ndarray, "M G C"]]  # by split; NaN where a member has no decision for a recording


class _Ballot(NamedTuple):
    """The decisions of some seeds of the members that make one fusion, which is written as seed `seed`."""

    seed: int
    voters: tuple[tuple[str, int], ...]  # member and seed
    decided: Decided


def run(config: FuseStage, stage: StageRun) -> None:
    """Writes predictions.csv; of each seed and member its temperature and validation score in fusion.csv; of a vote in
    conflicts.csv what became of the recordings about which the members disagreed. Where it is drawn several times who lacks
    a modality, the files have a last column `draw`.

    Raises:
        ConfigError: something is to be fitted to a validation split that is not there.
        DataError: the predictions of a member cannot be read, or a regression cannot be fitted to them.
    """
    task, called = config.task, config.data.called
    lacks, remarks = _lacking(config, stage)
    nobody = np.zeros(0, int), np.zeros((0, len(stage.examples.classes[task])))
    written = [stage.predictions(task, split, 0, *nobody) for split in config.report]
    fitted: list[dict[str, Any]] = []
    conflicts: list[dict[str, Any]] = []
    undecided = dict.fromkeys(config.report, 0)
    ballots = _ballots(config, task, stage)
    for ballot in ballots:
        validation, temperatures = _fit(config, task, stage, ballot.decided)
        fitted += [
            {"seed": seed, "member": name, "temperature": temperature, "validation_score": score}
            for (name, seed), temperature, score in zip(ballot.voters, temperatures, validation.scores, strict=True)
        ]
        places = [config.members.index(name) for name, _ in ballot.voters]
        for split, draw in itertools.product(config.report, range(len(lacks))):
            decided = ballot.decided[split]
            groups = np.flatnonzero(np.isfinite(decided).all(-1).any(0))  # those of whom anything is known
            there = _calibrated(decided[:, groups], temperatures)
            there[lacks[draw][places][:, groups]] = np.nan
            balanced = config.tasks[task].class_weights == "balanced"
            values = fusion.combine(config.rule, there, validation, balanced=balanced)
            is_decided = np.isfinite(values).all(1)
            undecided[split] = max(undecided[split], int((~is_decided).sum()))
            found = stage.predictions(task, split, ballot.seed, groups[is_decided], values[is_decided])
            of_draw = {"draw": draw} if len(lacks) > 1 else {}
            written.append(found.assign(**of_draw))
            if config.rule == "vote":
                target = stage.examples.labels[task][stage.examples.first_rows[groups]]
                conflicts += [row | of_draw for row in _conflicts(config, ballot, split, there, values, target)]
    remarks += [
        f"No decision, since no member has one: {n} recordings of {called(split)}."
        for split, n in undecided.items()
        if n
    ]
    if config.seeds == "best":
        chosen = ", ".join(f"{stage.stages[name].label} {seed}" for name, seed in ballots[0].voters)
        remarks.append(f"Seeds, by {config.weight_by} on {called('validation')}: {chosen}.")
        remarks += [OWN_VALIDATION] if stage.validates_by_seed(config.data.splits) else []
    stage.write_csv("predictions.csv", pd.concat(written, ignore_index=True))
    stage.write_csv("fusion.csv", pd.DataFrame(fitted, columns=["seed", "member", "temperature", "validation_score"]))
    if config.rule == "vote":
        stage.write_csv(
            CONFLICTS.name, pd.DataFrame(conflicts, columns=[*CONFLICTS.columns, *(["draw"] if len(lacks) > 1 else [])])
        )
    diverged = sorted({seed for name in config.members for seed in stage.other(name).record["diverged"]})
    if config.seeds != "each":
        remarks += [f"Without the diverged seeds {', '.join(map(str, diverged))}."] if diverged else []
        diverged = []
    stage.remember(diverged=diverged, remark=" ".join(remarks + _what_was_fitted(config, fitted)))


def _ballots(config: FuseStage, task: str, stage: StageRun) -> list[_Ballot]:
    """What is fused: seed by seed, the members' best seeds, or all at once.

    Raises:
        ConfigError: the best seeds are asked for, and there is no validation split.
        DataError: the predictions of a member cannot be read, or a member has no seed left.
    """
    members = {name: _read(stage.other(name).folder / "predictions.csv", task, stage) for name in config.members}

    def ballot(seed: int, voters: Sequence[tuple[str, int]]) -> _Ballot:
        return _Ballot(seed, tuple(voters), _of_seed([members[name][one] for name, one in voters], task, stage))

    if config.seeds == "each":
        common = sorted(set.intersection(*(set(found) for found in members.values())))
        return [ballot(seed, [(name, seed) for name in config.members]) for seed in common]
    for name, found in members.items():
        if not found:
            raise DataError(f"stages.{name}: all of its seeds diverged; there is nothing to fuse")
    everybody = ballot(0, [(name, seed) for name in config.members for seed in sorted(members[name])])
    if config.seeds == "all":
        return [everybody]
    probabilities, target = _validation(task, stage, everybody.decided)
    if not target.size:
        raise ConfigError(f"seeds: the best are chosen on the validation split of {stage.name!r}; there is none")
    scores = [_score(config.weight_by, one, target) for one in probabilities]
    of_member = {
        name: max(
            (score, -seed) for (voter, seed), score in zip(everybody.voters, scores, strict=True) if voter == name
        )
        for name in config.members
    }
    return [ballot(0, [(name, -negative) for name, (_, negative) in of_member.items()])]


def _conflicts(
    config: FuseStage,
    ballot: _Ballot,
    split: str,
    probabilities: Float[np.ndarray, "V G C"],
    fused: Float[np.ndarray, "G C"],
    target: Int[np.ndarray, " G"],
) -> list[dict[str, Any]]:
    """Of each member: among the labelled recordings about which the members disagree, how often it was right, how often
    the vote followed it, and how often the vote was right. A member of several seeds decides by their majority."""
    names = np.array([name for name, _ in ballot.voters])
    nothing = fusion.Validation(probabilities[:, :0], target[:0], np.zeros(len(names)))
    by_member = np.stack([fusion.combine("vote", probabilities[names == name], nothing) for name in config.members])
    known = (target >= 0) & np.isfinite(by_member).all((0, 2))
    chosen = fusion.decided(by_member[:, known]).argmax(-1)  # [M, U]
    vote = fusion.decided(fused[known]).argmax(-1)
    differ = (chosen != chosen[0]).any(0)
    right = target[known]

    def row(member: str, decision: Int[np.ndarray, " U"]) -> dict[str, Any]:
        counts = known, differ, (decision == right)[differ], (decision == vote)[differ], (vote == right)[differ]
        return dict(zip(CONFLICTS.columns, (ballot.seed, split, member, *map(np.sum, counts)), strict=True))

    return [row(*of_member) for of_member in zip(config.members, chosen, strict=True)]


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


def _lacking(config: FuseStage, stage: StageRun) -> tuple[Bool[np.ndarray, "D M G"], list[str]]:
    """In each draw, which members have no say in which recordings; and what the report says of it."""
    examples = stage.examples
    of_group = examples.participants[examples.first_rows]
    lacks, remarks = np.zeros((draws_of(config.missing), len(config.members), len(of_group)), bool), []
    for missing in config.missing:
        drawn, remark = stage.lacking(missing)
        lacks[:, config.members.index(missing.of)] = [np.isin(of_group, participants) for participants in drawn]
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


def _validation(
    task: str, stage: StageRun, decided: Decided
) -> tuple[Float[np.ndarray, "V U C"], Int[np.ndarray, " U"]]:
    """The decisions on the labelled recordings of the validation split, and the right ones."""
    target = stage.examples.labels[task][stage.examples.first_rows]
    known = np.isfinite(decided["validation"]).all(-1).any(0) & (target >= 0)
    return decided["validation"][:, known], target[known]


def _fit(config: FuseStage, task: str, stage: StageRun, decided: Decided) -> tuple[fusion.Validation, list[float]]:
    """The validation decisions, calibrated, with each voter's score; and the voters' temperatures."""
    probabilities, target = _validation(task, stage, decided)
    if not target.size and (config.calibration != "none" or config.rule in ("weighted", "stacked")):
        raise ConfigError(
            f"stages.{stage.name}: rule {config.rule!r} with calibration {config.calibration!r} is fitted to the "
            "validation split; there is none"
        )
    temperatures = [1.0] * len(probabilities)
    if config.calibration == "temperature":
        temperatures = [fusion.temperature(member, target) for member in probabilities]
    calibrated = _calibrated(probabilities, temperatures)
    scores = np.full(len(temperatures), np.nan)
    if config.rule == "weighted" or config.seeds == "best":
        scores = np.array([_score(config.weight_by, member, target) for member in calibrated])
    return fusion.Validation(calibrated, target, scores), temperatures


def _calibrated(probabilities: Float[np.ndarray, "M U C"], temperatures: Sequence[float]) -> np.ndarray:
    return np.stack([fusion.calibrated(*member) for member in zip(probabilities, temperatures, strict=True)])


def _score(metric: str, probabilities: Float[np.ndarray, "U C"], target: Int[np.ndarray, " U"]) -> float:
    there = np.isfinite(probabilities).all(-1)
    if not there.any():
        return 0.0
    # Padded to all recordings, so that one compilation serves every member.
    values = np.where(there[:, None], probabilities, 0.0)
    return float(_classification(target, values, probabilities.shape[-1], there)[metric])


def _what_was_fitted(config: FuseStage, fitted: Sequence[Mapping[str, Any]]) -> list[str]:
    """For the report: what of the fusion comes from the validation split."""
    what = ["temperatures"] * (config.calibration == "temperature")
    what += {"weighted": ["weights"], "stacked": ["regression"]}.get(config.rule, [])
    if not what or not fitted:
        return []
    optimistic = ", which is scored here: optimistic" if "validation" in config.report else ""
    sentences = [f"Fitted to {config.data.called('validation')}{optimistic}: {' and '.join(what)}."]
    if config.calibration == "temperature":
        means = pd.DataFrame(fitted).groupby("member", sort=False)["temperature"].mean()
        listed = ", ".join(f"{name} {value:.2f}" for name, value in means.items())
        sentences.append(f"Temperature, mean over the seeds: {listed}.")
    return sentences
