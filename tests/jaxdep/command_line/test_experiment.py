"""What an experiment leaves in its workdir, and what it does when the workdir has been used before."""

import json
import re
import resource
import shutil
import subprocess
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest

import jaxdep
from jaxdep.experiment import versions
from jaxdep.report.table import COLUMNS

ROOT = Path(jaxdep.__file__).parents[1]
COMMAND = ("--config=tiny.py", "--workdir=w")


@pytest.fixture(scope="module")
def finished(quick_compilation, jaxdep_main, tiny_of_module):
    """The folder of a tiny experiment that has run to its end in `w`. Tests that go on with it copy it first."""
    ended = jaxdep_main(*COMMAND, cwd=tiny_of_module)
    assert ended.code == 0, ended.err
    return tiny_of_module


def files(folder: Path) -> set[str]:
    """Every file below a folder but checkpoints, whose inner layout is Orbax's."""
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    return {name for name in found if "/checkpoints/" not in name}


def test_the_workdir_holds_the_files_of_the_contract_and_no_other(finished):
    found = files(finished / "w")
    events = {name for name in found if re.fullmatch(r"tensorboard/text/events\.out\.tfevents\.[^/]*", name)}
    figures = {name for name in found if re.fullmatch(r"report/figures/[\w-]+\.png", name)}
    assert len(events) == 1
    assert figures
    assert found - events - figures == {
        ".lock",
        "config.json",
        "environment.json",
        "stages/majority/stage.json",
        "stages/majority/predictions.csv",
        "stages/text/stage.json",
        "stages/text/predictions.csv",
        "stages/text/metrics.csv",
        "report/table.csv",
        "report/report.md",
        "report/report.html",
    }
    assert {path.name for path in (finished / "w/stages/text/checkpoints/seeds_0-2").iterdir()} == {"7", "8"}


def test_config_json_is_the_resolved_config(finished):
    config = json.loads((finished / "w/config.json").read_text())
    assert config["type"] == "Experiment"
    assert config["seeds"] == {
        "type": "Seeds",
        "count": 3,
        "first": 0,
        "missing": [],
        "of": 0,
        "root": 0,
        "vary": ["init", "order", "dropout", "split"],
    }
    assert config["stages"]["text"]["model"]["hidden"] == 3
    assert config["stages"]["text"]["optimizer"]["learning_rate"] == 0.001  # the default is there too


def test_environment_json_says_what_a_run_depends_on_and_no_time_or_place(finished):
    environment = json.loads((finished / "w/environment.json").read_text())
    assert environment["jax"] == jax.__version__
    assert environment["backend"] == jax.default_backend()
    assert environment["devices"] == f"{jax.device_count()} x {jax.devices()[0].device_kind}"
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", environment["python"])
    assert environment["revision"] == "no git checkout"  # as the tests have it
    for name in ("platform", "jaxdep", "jaxlib", "flax", "optax", "numpy", "scikit-learn", "librosa"):
        assert environment[name] not in ("", "not installed")
    assert str(Path.home()) not in json.dumps(environment)


@pytest.mark.parametrize("content", [None, "null", "[1]", '{"jax": "9.9"}', "{"])
def test_a_lost_or_damaged_environment_json_is_made_again(content, finished, used, jaxdep_main):
    """By the records of the stages, which carry digests."""
    place = used / "w/environment.json"
    if content is None:
        place.unlink()
    else:
        place.write_text(content)
    assert jaxdep_main(*COMMAND, cwd=used).code == 0
    for name in ("environment.json", "report/report.md"):
        assert (used / "w" / name).read_bytes() == (finished / "w" / name).read_bytes()


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="no git checkout")
def test_the_revision_is_that_of_the_checkout():
    command = ["git", "-C", str(ROOT), "describe", "--always", "--abbrev=12"]
    commit = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert versions.environment()["revision"] in (commit, f"{commit}-dirty")


def test_metrics_csv_holds_every_seed_and_epoch_once(finished):
    metrics = pd.read_csv(finished / "w/stages/text/metrics.csv")
    assert list(metrics.columns) == ["seed", "split", "epoch", "metric", "value"]
    assert set(metrics["split"]) == {"train", "validation"}
    assert not metrics.duplicated(["seed", "split", "epoch", "metric"]).any()
    loss = metrics[(metrics["split"] == "validation") & (metrics["metric"] == "loss")]
    assert sorted(zip(loss["seed"], loss["epoch"], strict=True)) == [(s, e) for s in range(3) for e in range(1, 9)]
    assert np.isfinite(metrics["value"]).all()


def test_predictions_csv_holds_each_seeds_decision_on_each_participant_once(finished):
    for stage, seeds in (("majority", [0]), ("text", [0, 1, 2])):
        found = pd.read_csv(finished / f"w/stages/{stage}/predictions.csv")
        columns = ["seed", "split", "example", "participant", "target", "prediction", "p_healthy", "p_depressed"]
        assert list(found.columns) == columns
        assert sorted(found["seed"].unique()) == seeds
        assert not found.duplicated(["seed", "example"]).any()
        one = found[found["seed"] == 0]
        assert set(one[one["split"] == "validation"]["participant"]) == {"p2", "p6", "p10", "p14"}
        assert set(one[one["split"] == "test"]["participant"]) == {"p3", "p7", "p11", "p15"}
        truth = {f"p{number}": ("healthy", "depressed")[number // 4 % 2] for number in range(16)}
        assert (found["target"] == found["participant"].map(truth)).all()
        np.testing.assert_allclose(found["p_healthy"] + found["p_depressed"], 1, atol=2e-6)
        decided = np.where(found["p_depressed"] >= 0.5, "depressed", "healthy")
        assert (found["prediction"] == decided).all()


def test_stage_json_says_how_the_stage_went(finished):
    record = json.loads((finished / "w/stages/text/stage.json").read_text())
    assert (record["status"], record["mapper"], record["diverged"]) == ("finished", "map", [])
    assert (record["synthetic"], record["classes"]) == (False, {"depressed": ["healthy", "depressed"]})
    assert record["seed_epochs"] == 24
    assert record["seed_epochs_per_s"] > 0
    assert 0 < record["train_s"] < record["seconds"]
    metrics = pd.read_csv(finished / "w/stages/text/metrics.csv")
    loss = metrics[(metrics["split"] == "validation") & (metrics["metric"] == "loss")]
    best = loss.loc[loss.groupby("seed")["value"].idxmin()]["epoch"]
    assert record["best_epoch"] in (best.tolist(), (best - 1).tolist())


def test_table_csv_has_a_line_for_each_row_split_and_metric(finished):
    table = pd.read_csv(finished / "w/report/table.csv")
    assert list(table.columns) == list(COLUMNS)
    asked = table[table["metric"].isin(["f1", "accuracy"])]  # the counts of the confusion are there besides
    assert [(row.row, row.split, row.metric, row.n_seeds) for row in asked.itertuples()] == [
        ("Majority class", "test", "f1", 1),
        ("Majority class", "test", "accuracy", 1),
        ("Text", "validation", "f1", 3),
        ("Text", "validation", "accuracy", 3),
        ("Text", "test", "f1", 3),
        ("Text", "test", "accuracy", 3),
    ]
    predictions = pd.read_csv(finished / "w/stages/text/predictions.csv")
    test = predictions[predictions["split"] == "test"]
    accuracy = (test["target"] == test["prediction"]).groupby(test["seed"]).mean()
    line = table[(table["row"] == "Text") & (table["split"] == "test") & (table["metric"] == "accuracy")].iloc[0]
    np.testing.assert_allclose([line["max"], line["avg"]], [accuracy.max(), accuracy.mean()], atol=5e-4)
    f1 = table[(table["row"] == "Text") & (table["metric"] == "f1")]
    assert f1["published_max"].tolist() == [0.9, 0.9]


def test_the_page_is_one_file_that_asks_for_nothing_else(finished):
    page = (finished / "w/report/report.html").read_text()
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?!data:|#)""", page)
    assert page.count("data:image/png;base64,") == len(list((finished / "w/report/figures").iterdir()))
    assert "python -m jaxdep.main --config=tiny.py --workdir=w" in page


def test_tensorboard_events_read_back_as_the_mean_over_the_seeds(finished):
    from tensorboardX.proto.event_pb2 import (
        Event,  # with TensorFlow it takes seconds, of every worker that collects this
    )
    from tensorflow.compat.v1.io import tf_record_iterator

    (path,) = (finished / "w/tensorboard/text").iterdir()
    found = {}
    for record in tf_record_iterator(str(path)):
        event = Event.FromString(record)
        found |= {(value.tag, event.step): value.simple_value for value in event.summary.value}
    metrics = pd.read_csv(finished / "w/stages/text/metrics.csv")
    mean = metrics[(metrics["split"] == "train") & (metrics["metric"] == "loss")].groupby("epoch")["value"].mean()
    for epoch, value in mean.items():
        assert found["train/loss/mean", epoch] == pytest.approx(value, rel=1e-5)


@pytest.fixture
def used(finished, tmp_path):
    """A copy of the finished experiment."""
    return Path(shutil.copytree(finished, tmp_path / "tiny"))


def times(folder: Path) -> dict[str, int]:
    return {stage: (folder / f"w/stages/{stage}/predictions.csv").stat().st_mtime_ns for stage in ("majority", "text")}


def reports(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted((folder / "w/report").rglob("*")) if path.is_file()}


def test_a_finished_stage_is_not_run_twice_and_the_report_is_the_same(jaxdep_main, used):
    before, report = times(used), reports(used)
    ended = jaxdep_main(*COMMAND, cwd=used)
    assert ended.code == 0
    assert "majority: finished before\ntext: finished before\n" in ended.out
    assert times(used) == before
    assert reports(used) == report


def test_another_config_in_a_used_workdir_is_refused_with_the_difference(jaxdep_main, used):
    before = {name: (used / "w" / name).read_bytes() for name in files(used / "w")}
    ended = jaxdep_main(*COMMAND, "--config.stages.text.model.hidden=4", cwd=used)
    assert ended.code == 1
    assert "config.stages.text.model.hidden: 3 there, 4 now" in ended.complaint
    assert "--overwrite" in ended.complaint
    assert {name: (used / "w" / name).read_bytes() for name in files(used / "w")} == before


def test_of_many_differences_the_first_are_shown_and_the_others_counted(jaxdep_main, used):
    changed = [f"--config.{name}=x" for name in ("name", "title", "description", "system", "source")]
    ended = jaxdep_main(*COMMAND, *changed, "--config.seeds.count=2", "--config.seeds.root=4", cwd=used)
    assert ended.code == 1
    assert "config.name: 'tiny' there, 'x' now; config.title" in ended.complaint
    assert "config.seeds.count: 3 there, 2 now; and 1 more)" in ended.complaint


@pytest.mark.slow
def test_overwrite_runs_what_changed_and_keeps_what_did_not(jaxdep_main, used):
    before = times(used)
    ended = jaxdep_main(*COMMAND, "--config.stages.text.model.hidden=4", "--overwrite", cwd=used)
    assert ended.code == 0, ended.err
    assert "majority: finished before\n" in ended.out
    assert re.search(r"^text: finished in ", ended.out, re.MULTILINE)
    assert ended.out.index("text: its 3 trained seeds (") < ended.out.index("text: finished in ")
    after = times(used)
    assert after["majority"] == before["majority"]
    assert after["text"] > before["text"]
    assert json.loads((used / "w/config.json").read_text())["stages"]["text"]["model"]["hidden"] == 4


@pytest.mark.slow
def test_a_changed_corpus_runs_the_stages_again(jaxdep_main, used):
    before = times(used)
    corpus = used / "data/talk.csv"
    corpus.write_text(corpus.read_text().replace("sun", "rain"))
    ended = jaxdep_main(*COMMAND, cwd=used)
    assert ended.code == 0, ended.err
    assert "finished before" not in ended.out
    assert all(after > before[stage] for stage, after in times(used).items())


def without_a_row(text):
    return "\n".join(text.splitlines()[:-1]) + "\n"


EDITS = {
    "predictions.csv": (
        without_a_row,
        lambda text: text.replace(",healthy,depressed,", ",depressed,depressed,", 1),
        lambda text: text.replace("0.", "7.", 1),
    ),
    "metrics.csv": (without_a_row,),
}


def test_results_that_were_edited_are_noticed_and_made_again(jaxdep_main, used):
    """Rows removed, a label turned over, a probability of 7: nothing of it is scored, and no epoch is trained again."""
    files = [used / "w/stages/text" / name for name in EDITS]
    before = [path.read_bytes() for path in files], (used / "w/report/table.csv").read_bytes()
    for path in files:
        for edit in EDITS[path.name]:
            text = path.read_text()
            path.write_text(edit(text))
            assert path.read_text() != text
            ended = jaxdep_main(*COMMAND, cwd=used)
            assert ended.code == 0, ended.err
            assert f"text: {path.name}: not as the stage left it; its results are made again" in ended.out
            assert "training text" not in ended.err
            assert ([path.read_bytes() for path in files], (used / "w/report/table.csv").read_bytes()) == before


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text[:40],
        lambda text: '"text"',
        lambda text: "[" * 100_000,
        lambda text: text.replace('"finished"', '"running"'),
        lambda text: "{}",
    ],
)
def test_a_damaged_record_of_a_stage_is_named_in_one_line(jaxdep_main, used, edit):
    path = used / "w/stages/text/stage.json"
    path.write_text(edit(path.read_text()))
    ended = jaxdep_main(*COMMAND, cwd=used)
    assert ended.code == 1
    assert "w/stages/text/stage.json" in ended.complaint


def test_a_damaged_config_json_is_named_in_one_line(jaxdep_main, used):
    (used / "w/config.json").write_text('{"type": ')
    ended = jaxdep_main(*COMMAND, cwd=used)
    assert ended.code == 1
    assert "w/config.json" in ended.complaint


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("--config.stages.text.metrics=('f2',)", "f2"),
        ("--config.stages.text.training.monitor=f2", "f2"),
        ("--config.stages.text.model.feature=video", "video"),
        ("--config.stages.text.model.initializer=ones", "ones"),
        ("--config.stages.text.model.hidden=0", "hidden"),
        ("--config.mapping.data_shards=-1", "data_shards"),
        ("--config.mapping.group=-1", "group"),
        ("--config.stages.text.training.batch_size=0", "batch_size"),
        ("--config.stages.text.optimizer.learning_rate=-1.0", "learning_rate"),
        ("--config.stages.text.optimizer.learning_rate=nan", "learning_rate"),
        ("--config.stages.text.model.dropout=1.5", "dropout"),
        ("--config.stages.text.training.patience=-1", "patience"),
        ("--config.stages.text.data.splits.test=('exam',)", "exam"),
        ("--config.stages.text.report=('validation', 'validation')", "Text"),
        ("--config.stages.majority.label=Text", "Text"),
        ("--config.stages.text.data.corpus=daic_wos", "daic_woz"),
        ("--config.stages.majority.kind=gender", "gender"),
    ],
)
def test_a_value_that_no_run_can_have_is_one_line_that_names_it(jaxdep_main, used, override, named):
    ended = jaxdep_main(*COMMAND, override, "--overwrite", cwd=used)
    assert ended.code in (1, 2), ended.out
    assert named in ended.complaint


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("metrics=('f2',)", "config.stages.text.metrics: no metric 'f2' for 'depressed'; did you mean"),
        ("training.monitor=f2", "config.stages.text.training.monitor: no metric is called 'f2'; did you mean"),
        ("model.feature=video", "config.stages.text.model: it takes the feature 'video', the data has text"),
        ("data.corpus=daic_wos", "'daic_wos' is no corpus; known are "),
    ],
)
def test_what_no_corpus_is_needed_to_know_is_told_before_any_feature_is_computed(jaxdep_main, tiny, override, line):
    (tiny / "data/talk.csv").unlink()
    ended = jaxdep_main(*COMMAND, "--features_dir=f", f"--config.stages.text.{override}", cwd=tiny)
    assert ended.code == 1
    assert ended.complaint.startswith(f"error: {line}")
    assert {path.name for path in tiny.iterdir()} == {"data", "tiny.py"}


def test_a_refused_config_does_not_take_the_workdir(jaxdep_main, used):
    before = (used / "w/config.json").read_bytes()
    ended = jaxdep_main(*COMMAND, "--overwrite", "--config.stages.text.metrics=('f2',)", cwd=used)
    assert ended.code == 1
    assert (used / "w/config.json").read_bytes() == before
    assert "text: finished before\n" in jaxdep_main(*COMMAND, cwd=used).out


def test_a_workdir_of_older_code_with_fewer_fields_goes_on(jaxdep_main, used):
    path = used / "w/config.json"
    config = json.loads(path.read_text())
    del config["stages"]["text"]["training"]["plateau_threshold"], config["mapping"]["resident_gb"]
    path.write_text(json.dumps(config))
    ended = jaxdep_main(*COMMAND, cwd=used)
    assert ended.code == 0, ended.err
    assert "majority: finished before\ntext: finished before\n" in ended.out
    assert json.loads(path.read_text())["mapping"]["resident_gb"] == 0.0


@pytest.mark.slow
def test_a_full_disk_while_checkpoints_are_written_is_one_line_and_the_same_command_goes_on(jaxdep_main, used):
    before = (used / "w/stages/text/predictions.csv").read_bytes()
    shutil.rmtree(used / "w/stages/text")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2500, limit[1]))  # more than stage.json has, less than a checkpoint
    try:
        ended = jaxdep_main(*COMMAND, cwd=used)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert ended.code == 1
    assert "w/stages/text/checkpoints/seeds_0-2: a checkpoint cannot be written (File too large)" in ended.complaint
    ended = jaxdep_main(*COMMAND, cwd=used)
    assert ended.code == 0, ended.err
    assert (used / "w/stages/text/predictions.csv").read_bytes() == before
