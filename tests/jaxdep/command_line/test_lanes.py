"""Folds, sweeps, further seeds, and models that start from another stage's, on the command line."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

COMMAND = ("--config=tiny.py", "--workdir=w")
FOLDS = """

_plain = get_config


def get_config(variant: str = "") -> Experiment:
    import copy, dataclasses
    from jaxdep.config import Folds, Frozen, Splits, Start, TrainStage

    found = _plain()
    for name, stage in list(found.stages.items()):
        if variant == "folds":
            stage.data.splits = Splits(folds=Folds(count=4))
    if variant == "start":
        first = found.stages["text"]
        for name, starts in (
            ("each", Start(stage="text")),
            ("best", Start(stage="text", seed="best", without=("heads",))),
            ("one", Start(stage="text", seed="1", part="recurrent")),
        ):
            stage = copy.deepcopy(first)
            stage.label, stage.start, stage.training.epochs = name, (starts,), 1
            stage.optimizer.learning_rate = 0.0
            found.stages[name] = stage
    return found
"""


@pytest.fixture(scope="module")
def folder(quick_compilation, tiny_of_module):
    path = tiny_of_module / "tiny.py"
    path.write_text(path.read_text() + FOLDS)
    return tiny_of_module


@pytest.fixture(scope="module")
def plain(folder, jaxdep_main):
    """The experiment with its three seeds, in `w`."""
    ended = jaxdep_main(*COMMAND, cwd=folder)
    assert ended.code == 0, ended.err
    return folder / "w"


def predictions(workdir: Path, stage: str, name: str = "predictions.csv") -> pd.DataFrame:
    return pd.read_csv(workdir / "stages" / stage / name, keep_default_na=False)


def record(workdir: Path, stage: str) -> dict:
    return json.loads((workdir / "stages" / stage / "stage.json").read_text())


def test_each_seed_is_scored_once_over_all_folds(folder, jaxdep_main):
    ended = jaxdep_main("--config=tiny.py:folds", "--workdir=folds", cwd=folder)
    assert ended.code == 0, ended.err
    assert "training text, 3 seeds x 4 folds" in ended.err
    found = predictions(folder / "folds", "text")
    test = found[found["split"] == "test"]
    assert not test.duplicated(["seed", "example"]).any()
    assert test.groupby("seed").size().tolist() == [16, 16, 16]
    assert sorted(test["fold"].unique()) == [0, 1, 2, 3]
    trivial = predictions(folder / "folds", "majority")
    assert (trivial["split"] == "test").sum() == 16
    metrics = pd.read_csv(folder / "folds/stages/text/metrics.csv")
    assert not metrics.duplicated(["seed", "fold", "split", "epoch", "metric"]).any()
    table = pd.read_csv(folder / "folds/report/table.csv")
    line = table[(table["row"] == "Text") & (table["split"] == "test") & (table["metric"] == "accuracy")].iloc[0]
    accuracy = (test["target"] == test["prediction"]).groupby(test["seed"]).mean()
    assert line["n_seeds"] == 3
    assert line["avg"] == pytest.approx(accuracy.mean(), abs=5e-4)


@pytest.mark.slow
def test_the_best_of_a_sweep_by_validation_is_reported_and_the_others_stand_beside_it(folder, jaxdep_main):
    sweep = "--sweep=config.stages.text.optimizer.learning_rate=1e-7,0.05"
    ended = jaxdep_main(*COMMAND[:1], "--workdir=sweep", sweep, cwd=folder)
    assert ended.code == 0, ended.err
    all_of_them = predictions(folder / "sweep", "text", "predictions_variants.csv")
    assert set(all_of_them["variant"]) == {"learning_rate=1e-7", "learning_rate=0.05"}
    metrics = pd.read_csv(folder / "sweep/stages/text/metrics_variants.csv")
    loss = metrics[(metrics["split"] == "validation") & (metrics["metric"] == "loss")]
    best = loss.groupby(["variant", "seed"])["value"].min().groupby("variant").mean().idxmin()
    assert best == "learning_rate=0.05"
    chosen = predictions(folder / "sweep", "text")
    assert set(chosen["variant"]) == {best}
    pd.testing.assert_frame_equal(chosen, all_of_them[all_of_them["variant"] == best].reset_index(drop=True))
    page = (folder / "sweep/report/report.html").read_text()
    assert re.search(r"Of 2 combinations chosen by the mean loss on dev \([\w-]+\): learning_rate=0\.05\.", page)
    assert "Text, learning_rate=1e-7" in page
    table = pd.read_csv(folder / "sweep/report/table.csv")
    rows = table[table["row"].str.startswith("Text, ")]
    assert set(rows["split"]) == {"validation", "test"}


@pytest.mark.slow
def test_what_changes_shapes_is_swept_in_stages_of_its_own(folder, jaxdep_main):
    sweep = "--sweep=config.stages.text.model.hidden=2,4"
    ended = jaxdep_main(*COMMAND[:1], "--workdir=shapes", sweep, "--config.stages.text.training.epochs=1", cwd=folder)
    assert ended.code == 0, ended.err
    assert {path.name for path in (folder / "shapes/stages").iterdir()} == {
        "majority",
        "text",
        "text__hidden_2",
        "text__hidden_4",
    }
    table = pd.read_csv(folder / "shapes/report/table.csv")
    assert {"Text", "Text, hidden=2", "Text, hidden=4"} <= set(table["row"])


@pytest.mark.parametrize(
    ("sweep", "line"),
    [
        ("config.stages.text.optimizer.rate=1", "optimizer.rate: rate: Optimizer has no such field; did you mean"),
        ("config.stages.texts.optimizer.learning_rate=1", "stages: there is no 'texts'; there are majority, text"),
        ("config.stages.text.optimizer.learning_rate=x", "optimizer.learning_rate: expected float, found 'x'"),
        (
            "config.stages.text.optimizer.learning_rate=1,-1",
            "sweep: learning_rate=-1: learning_rate: a number of 0 or more",
        ),
        ("config.stages.text.optimizer.learning_rate", "expected config.stages.NAME.FIELD=VALUE,VALUE,..."),
        (
            "config.stages.text.tasks.depressed.class_weights=equal,none",
            "expected one of balanced, equal, found 'none'",
        ),
    ],
)
def test_a_sweep_of_what_there_is_not_is_one_line(folder, jaxdep_main, sweep, line):
    ended = jaxdep_main(*COMMAND[:1], "--workdir=none", f"--sweep={sweep}", cwd=folder)
    assert ended.code == 2
    assert line in ended.complaint


@pytest.mark.slow
def test_further_seeds_join_those_that_are_trained(plain, jaxdep_main, tmp_path):
    workdir = Path(shutil.copytree(plain.parent, tmp_path / "tiny")) / "w"
    before = predictions(workdir, "text")
    old = {path: path.stat().st_mtime_ns for path in (workdir / "stages/text/checkpoints/seeds_0-2").rglob("*")}
    ended = jaxdep_main(*COMMAND, "--config.seeds.count=5", cwd=workdir.parent)
    assert ended.code == 0, ended.err
    assert "training text, 2 seeds" in ended.err
    assert {path: path.stat().st_mtime_ns for path in old} == old
    assert {path.name for path in (workdir / "stages/text/checkpoints").iterdir()} == {"seeds_0-2", "seeds_3-4"}
    after = predictions(workdir, "text")
    same = after[after["seed"] < 3].reset_index(drop=True)
    pd.testing.assert_frame_equal(same, before, atol=1e-5)
    assert sorted(after["seed"].unique()) == [0, 1, 2, 3, 4]
    assert len(record(workdir, "text")["best_epoch"]) == 5
    fewer = jaxdep_main(*COMMAND, cwd=workdir.parent)
    assert fewer.code == 1
    assert "config.seeds.count: 5 there, 3 now" in fewer.complaint


@pytest.mark.slow
def test_seeds_that_joined_are_those_of_one_run(plain, jaxdep_main, tmp_path):
    grown, whole = (Path(shutil.copytree(plain.parent, tmp_path / name)) for name in ("grown", "whole"))
    shutil.rmtree(whole / "w")
    for folder in (grown, whole):
        assert jaxdep_main(*COMMAND, "--config.seeds.count=5", cwd=folder).code == 0
    for name in ("predictions.csv", "metrics.csv"):
        left, right = (pd.read_csv(folder / "w/stages/text" / name) for folder in (grown, whole))
        pd.testing.assert_frame_equal(left, right, atol=1e-5)


@pytest.mark.slow
def test_a_model_starts_from_what_another_stage_trained(plain, folder, jaxdep_main):
    ended = jaxdep_main("--config=tiny.py:start", "--workdir=start", cwd=folder)
    assert ended.code == 0, ended.err
    told = ["seed", "split", "example", "p_depressed"]
    source, each, best = (predictions(folder / "start", name)[told] for name in ("text", "each", "best"))
    pd.testing.assert_frame_equal(each, source, atol=1e-5)  # it learns nothing: its rate is 0
    assert not np.allclose(best["p_depressed"], source["p_depressed"])  # it has heads of its own
    assert record(folder / "start", "each")["fingerprint"] != record(folder / "start", "text")["fingerprint"]
