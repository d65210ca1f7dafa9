"""Seeds that each draw who validates: what compares them by validation says so, and spreads are compared in pairs."""

import io

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from rich.console import Console

from jaxdep import config
from jaxdep.config.stages.stability import STABILITY
from jaxdep.stages import OWN_VALIDATION, StageRun, fuse, record, spread, trained
from jaxdep.stages.sources import Sources

SPLITS = config.Splits(validation=(), validation_fraction=0.25)
ONE_DRAW = config.Splits(validation=(), validation_fraction=0.25, validation_draw=0)
TASKS = {"depressed": config.Task()}
CASES = [(SPLITS, config.STREAMS, True), (ONE_DRAW, config.STREAMS, False), (SPLITS, ("init", "order"), False)]


@pytest.fixture
def stage(tmp_path, make_examples):
    """A stage behind two detectors of six seeds, which decided at random on 15 participants of each split."""

    def make(splits, vary):
        examples = make_examples(n=60)
        rng = np.random.default_rng(0)
        data = config.Data(splits=splits)
        stages = {name: config.TrainStage(label=f"The {name}", data=data, tasks=TASKS) for name in ("audio", "text")}
        for name in stages:
            folder = tmp_path / "stages" / name
            record.write(folder, {"diverged": []})
            tables = []
            for seed in range(6):
                p = rng.uniform(size=60)
                table = pd.DataFrame({"example": examples.group_ids, "split": examples.splits, "p_depressed": p})
                table = table[table["split"] != "train"].replace({"split": {"dev": "validation"}})
                labels = np.array(["healthy", "depressed"])
                target = labels[examples.labels["depressed"][table.index]]
                decided = labels[(table["p_depressed"] >= 0.5).astype(int)]
                tables.append(
                    table.assign(
                        seed=seed,
                        participant="p",
                        target=target,
                        prediction=decided,
                        p_healthy=1 - table["p_depressed"],
                    )
                )
            pd.concat(tables).to_csv(folder / "predictions.csv", index=False)
        folder = tmp_path / "stages" / "this"
        folder.mkdir()
        console = Console(file=io.StringIO())
        seeds = config.Seeds(count=6, vary=vary)
        return StageRun(
            "this", folder, examples, seeds, config.Mapping(), console, Sources(tmp_path, tmp_path, {}, console), stages
        )

    return make


@pytest.mark.parametrize(("splits", "vary", "unlike"), CASES)
def test_the_best_seeds_vote_says_where_they_were_chosen_on_other_people(stage, splits, vary, unlike):
    run = stage(splits, vary)
    vote = config.FuseStage(
        data=config.Data(splits=splits), tasks=TASKS, members=("audio", "text"), rule="vote", seeds="best",
        calibration="none",
    )  # fmt: skip
    fuse.run(vote, run)
    assert run.record["remark"].startswith("Seeds, by unweighted_accuracy on validation: The audio ")
    assert (OWN_VALIDATION in run.record["remark"]) == unlike
    detector = run.stages["audio"]
    assert trained.choice_remark(None, detector, run) == (OWN_VALIDATION if unlike else "")
    assert trained.choice_remark(3, detector, run) == ""


@pytest.mark.parametrize(("splits", "vary", "unlike"), CASES)
def test_spreads_are_compared_in_pairs_where_seeds_share_a_draw(stage, splits, vary, unlike):
    run = stage(splits, vary)
    data = config.Data(splits=splits)
    spread.run(config.StabilityStage(data=data, rows=("audio",), against=("text",)), run)
    (row,) = pd.read_csv(run.folder / STABILITY.name).to_dict("records")
    assert (row["n"], row["n_against"], bool(row["paired"])) == (6, 6, unlike)
    far = []
    for name in ("audio", "text"):
        found = pd.read_csv(run.folder.parent / name / "predictions.csv").query("split == 'test'")
        hit = (found["prediction"] == "depressed") & (found["target"] == "depressed")
        counts = found.assign(hit=hit, said=found["prediction"] == "depressed", is_one=found["target"] == "depressed")
        sums = counts.groupby("seed")[["hit", "said", "is_one"]].sum()
        f1 = 2 * sums["hit"] / (sums["said"] + sums["is_one"])
        far.append(np.abs(f1 - f1.median()))
    expected = (scipy.stats.ttest_rel if unlike else scipy.stats.ttest_ind)(*far).pvalue
    assert row["p"] == pytest.approx(expected, rel=1e-4)
    assert row["p_holm"] == row["p"]  # it is the only one


def test_pairs_are_of_the_seeds_that_both_have(stage):
    run = stage(SPLITS, config.STREAMS)
    path = run.folder.parent / "text" / "predictions.csv"
    table = pd.read_csv(path)
    table[table["seed"] != 2].to_csv(path, index=False)
    data = config.Data(splits=SPLITS)
    spread.run(config.StabilityStage(data=data, rows=("audio",), against=("text",)), run)
    (row,) = pd.read_csv(run.folder / STABILITY.name).to_dict("records")
    assert (row["n"], row["n_against"]) == (5, 5)
