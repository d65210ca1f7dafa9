"""Two detectors over windows of speech, fused, and tried where some participants lack a modality."""

import json

import numpy as np
import pandas as pd
import pytest

from jaxdep.config.rows import Row
from jaxdep.report import scores

pytestmark = pytest.mark.slow  # six programs; what is fused is tested in tests/jaxdep/statistics

CONFIG = """
from input_pipeline.batching import Arrangement
from input_pipeline.features import Sentences
from jaxdep.config import Data, EvaluateStage, Experiment, FuseStage, Mapping, Missing, Seeds, Task, Training, TrainStage
from jaxdep.models.emotion_transfer import DirectText

ABSENT = Missing("b", share=0.5)


def get_config(variant: str = "") -> Experiment:
    data = Data(
        corpus="manifest:talk.csv",
        classes={"depressed": ("healthy", "depressed")},
        features={"a": Sentences(dim=12), "b": Sentences(dim=6)},
        arrangements={name: Arrangement(level="windows", window_s=1.0) for name in "ab"},
        file_format="array_record",
    )
    row = {"data": data, "tasks": {"depressed": Task()}, "metrics": ("f1", "ece")}
    training = Training(epochs=2, batch_size=4)
    stages = {
        name: TrainStage(
            label=name, model=DirectText(feature=name, hidden=2), training=training, score_windows=True, **row
        )
        for name in "ab"
    }
    fused = {"members": ("a", "b"), **row}
    stages["mean"] = FuseStage(label="mean", calibration="none", **fused)
    stages["weighted"] = FuseStage(label="weighted", rule="weighted", **fused)
    stages["stacked"] = FuseStage(label="stacked", rule="stacked", **fused)
    stages["alone"] = FuseStage(label="alone", members=("a",), **row)
    stages["without"] = FuseStage(label="without", missing=(ABSENT,), calibration="none", **fused)
    stages["neither"] = FuseStage(label="neither", missing=(ABSENT, Missing("a", share=0.5)), **fused)
    stages["masked"] = EvaluateStage(label="masked", of="b", missing=(ABSENT,), **row)
    again = (Missing("b", share=0.5, draws=3),)
    stages["drawn"] = FuseStage(label="drawn", rule="vote", missing=again, calibration="none", **fused)
    stages["masked_drawn"] = EvaluateStage(label="masked, drawn", of="b", missing=again, **row)
    return Experiment(
        name="fuse", title="Fuse", system="tiny", seeds=Seeds(count=2), mapping=Mapping(mapper="map"), stages=stages
    )
"""


@pytest.fixture(scope="module")
def workdir(quick_compilation, jaxdep_main, tiny_of_module):
    (tiny_of_module / "fuse.py").write_text(CONFIG)
    ended = jaxdep_main("--config=fuse.py", "--workdir=f", cwd=tiny_of_module)
    assert ended.code == 0, ended.err
    return tiny_of_module / "f"


def decisions(workdir, stage, split="test", name="predictions.csv"):
    found = pd.read_csv(workdir / "stages" / stage / name)
    return found[found["split"] == split].set_index(["seed", "example"])


def test_windows_are_decided_and_scored_beside_their_recordings(workdir):
    windows, sessions = (decisions(workdir, "a", name=f"predictions{x}.csv") for x in ("_windows", ""))
    assert len(windows) == 3 * len(sessions)  # three turns of a second each
    recording = windows.index.get_level_values("example").str.split(":").str[0]
    means = windows.groupby(["seed", recording])["p_depressed"].mean()
    np.testing.assert_allclose(means.to_numpy(), sessions.sort_index()["p_depressed"].to_numpy(), atol=2e-6)
    table = pd.read_csv(workdir / "report/table.csv")
    assert {"a", "a, windows"} <= set(table["row"])


def test_the_mean_of_two_detectors_is_their_probabilities_mean(workdir):
    a, b, fused = (decisions(workdir, stage) for stage in ("a", "b", "mean"))
    np.testing.assert_allclose(fused["p_depressed"], (a["p_depressed"] + b["p_depressed"]) / 2, atol=2e-6)
    assert (fused["target"] == a["target"]).all()


def test_each_rule_decides_on_every_recording_and_says_what_it_fitted(workdir):
    for rule, what in {"weighted": "temperatures and weights", "stacked": "temperatures and regression"}.items():
        assert len(decisions(workdir, rule)) == len(decisions(workdir, "a"))
        remark = json.loads((workdir / f"stages/{rule}/stage.json").read_text())["remark"]
        assert f"Fitted to dev (manifest-talk): {what}." in remark
    assert not json.loads((workdir / "stages/mean/stage.json").read_text())["remark"]


def test_calibration_keeps_every_decision_and_is_told(workdir):
    a, calibrated = (decisions(workdir, stage) for stage in ("a", "alone"))
    assert (a["prediction"] == calibrated["prediction"]).all()
    fitted = pd.read_csv(workdir / "stages/alone/fusion.csv")
    assert fitted["member"].tolist() == ["a", "a"]
    odds = {name: np.log(x["p_depressed"] / x["p_healthy"]) for name, x in (("raw", a), ("calibrated", calibrated))}
    by_seed = fitted.set_index("seed")["temperature"]
    of_row = a.index.get_level_values("seed").map(by_seed).to_numpy()
    np.testing.assert_allclose(odds["raw"] / of_row, odds["calibrated"], atol=1e-4)
    assert (
        "Temperature, mean over the seeds: a "
        in json.loads((workdir / "stages/alone/stage.json").read_text())["remark"]
    )


def test_who_lacks_a_modality_is_decided_from_the_other_and_counted(workdir):
    a, mean, without, masked = (decisions(workdir, stage) for stage in ("a", "mean", "without", "masked"))
    from_a = np.isclose(without["p_depressed"], a["p_depressed"], atol=2e-6)
    assert from_a.sum() == 2 * 2  # half of four participants, of two seeds
    np.testing.assert_allclose(without["p_depressed"][~from_a], mean["p_depressed"][~from_a], atol=2e-6)
    assert np.isfinite(masked["p_depressed"]).all()
    changed = ~np.isclose(masked["p_depressed"], decisions(workdir, "b")["p_depressed"], atol=2e-6)
    assert (changed == from_a).all()  # the same participants, wherever the config names the same modality
    page = (workdir / "report/report.md").read_text()
    notes = [line for line in page.splitlines() if "Without b: 2 of 4 participants of test." in line]
    assert all(any(stage in note for note in notes) for stage in ("without", "neither", "masked"))


def test_each_draw_takes_other_participants_and_the_first_is_that_of_a_single_draw(workdir):
    single, drawn, whole = (decisions(workdir, stage) for stage in ("masked", "masked_drawn", "b"))
    assert sorted(drawn["draw"].unique()) == [0, 1, 2]
    lacks = {}
    for draw, rows in drawn.groupby("draw"):
        changed = ~np.isclose(rows["p_depressed"], whole["p_depressed"].loc[rows.index], atol=2e-6)
        assert changed.sum() == 2 * 2  # half of four participants, of two seeds
        lacks[draw] = frozenset(rows["participant"][changed])
    assert len(set(lacks.values())) > 1
    first = drawn[drawn["draw"] == 0]
    np.testing.assert_allclose(first["p_depressed"], single["p_depressed"].loc[first.index], atol=2e-6)
    vote, a = (decisions(workdir, stage) for stage in ("drawn", "a"))
    for draw, rows in vote.groupby("draw"):  # with one vote alone, that of a member decides
        alone = rows[rows["participant"].isin(lacks[draw])]
        assert (alone["prediction"] == a["prediction"].loc[alone.index]).all()
    table = pd.read_csv(workdir / "report/table.csv").set_index(["row", "metric"])
    assert table.loc[("masked, drawn", "f1"), "n_draws"] == table.loc[("drawn", "f1"), "n_draws"] == 3
    conflicts = pd.read_csv(workdir / "stages/drawn/conflicts.csv")
    assert not conflicts.duplicated(["seed", "split", "draw", "member"]).any()
    page = (workdir / "report/report.md").read_text()
    assert "2 of 4 participants of test, drawn 3 times; a seed's score is the mean." in page
    assert "Spread over the draws of who lacks a modality" in page


def test_who_lacks_everything_is_not_decided_and_counted(workdir):
    assert len(decisions(workdir, "neither")) == 2 * 2
    assert "No decision, since no member has one: 2 recordings of test." in (workdir / "report/report.md").read_text()


def test_a_reliability_diagram_is_drawn_of_all_seeds_decisions(workdir):
    assert (workdir / "report/figures/reliability.png").exists()
    row = Row("alone", "alone", "test", ("ece",), "depressed", ("healthy", "depressed"))
    bins, found = scores.read(row, workdir).bins, decisions(workdir, "alone")
    assert bins.weight.sum() == len(found)
    assert bins.right.sum() == (found["prediction"] == found["target"]).sum()
    assert bins.confidence.sum() == pytest.approx(found[["p_healthy", "p_depressed"]].max(axis=1).sum())


def test_a_fusion_is_made_again_when_a_member_is(workdir, jaxdep_main):
    again = ("--config=fuse.py", "--workdir=f", "--overwrite", "--config.stages.b.training.epochs=1")
    ended = jaxdep_main(*again, cwd=workdir.parent)
    assert ended.code == 0, ended.err
    assert "a: finished before" in ended.out
    assert "alone: finished before" in ended.out
    assert "mean: finished in" in ended.out


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("mean.members=('a','c')", "config.stages.mean: it needs 'c'; the stages before it are a, b"),
        ("mean.members=('a','a')", "config.stages.mean.members: one stage or more, each once"),
        (
            "alone.members=('mean',)",
            "config.stages.alone.members: 'mean' is a FuseStage; name a TrainStage or EvaluateStage",
        ),
        ("mean.data.splits.test=other", "config.stages.mean.data.splits: it differs from that of 'a'; set both alike"),
        ("mean.weight_by=ece", "config.stages.mean.weight_by: expected one of 'unweighted_accuracy'"),
        (
            "without.report=('validation',)",
            "config.stages.without.report: modalities are missing in the test split alone",
        ),
        ("masked.data.unnormalized=a", "config.stages.masked.data.unnormalized: it differs from that of 'b'"),
        (
            "masked.data.unnormalized=c",
            "config.stages.masked.data.unnormalized: there is no feature 'c'; there are a, b",
        ),
        (
            "drawn.members=('a','masked')",
            "config.stages.drawn.missing: each names another of a, masked",
        ),
        ("masked.of=mean", "config.stages.masked.of: 'mean' is a FuseStage; name a TrainStage"),
    ],
)
def test_what_cannot_be_fused_or_evaluated_is_refused(workdir, jaxdep_main, override, line):
    ended = jaxdep_main("--config=fuse.py", "--workdir=g", f"--config.stages.{override}", cwd=workdir.parent)
    assert ended.code == 2
    assert line in ended.complaint
