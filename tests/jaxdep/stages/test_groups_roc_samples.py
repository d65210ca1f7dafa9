"""What is made of the decisions of other stages: rows by group, ROC curves; and the pictures that a network is given."""

import dataclasses
import io
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from rich.console import Console
from sklearn.metrics import roc_auc_score, roc_curve

from input_pipeline.batching import Arrangement
from input_pipeline.config import ConfigError
from input_pipeline.errors import DataError
from input_pipeline.features import Pixels, Sentences
from jaxdep import config, report
from jaxdep.config.rows import Exhibit
from jaxdep.config.stages.base import Finished
from jaxdep.config.stages.groups import GAPS
from jaxdep.config.stages.roc import AUC, ROC
from jaxdep.config.stages.samples import SAMPLES
from jaxdep.report import Report
from jaxdep.report.csv_files import read_csv
from jaxdep.stages import StageRun, groups, roc, samples

DATA = config.Data(features={"text": Sentences(dim=4)}, arrangements={"text": Arrangement()})
TASKS = {"depressed": config.Task()}
CLASSES = {"depressed": ("healthy", "depressed"), "severity": ("none", "mild", "severe")}
N, SEEDS = 24, 6
STAGES = {"both": config.TrainStage(label="Both", data=DATA, tasks=TASKS)}
BY = config.GroupsStage(
    label="By gender",
    data=DATA,
    tasks=TASKS,
    metrics=("accuracy", "f1"),
    of="both",
    by="gender",
    groups=("male", "female"),
)
CURVES = config.RocStage(label="ROC", data=DATA, rows=("both",), task="depressed", points=11)


def decisions():
    """On the first 20 recordings, seed 5 diverged; scores in steps of a tenth, so that there are ties."""
    rng = np.random.default_rng(0)
    target = np.arange(20) % 2
    lines = []
    for seed in range(SEEDS):
        p = np.round(np.clip(0.3 * target + 0.7 * rng.random(20), 0, 1), 1)
        lines += [
            (
                seed,
                "test",
                f"r{i}",
                f"p{i}",
                CLASSES["depressed"][target[i]],
                CLASSES["depressed"][int(p[i] >= 0.5)],
                1 - p[i],
                p[i],
            )
            for i in range(20)
        ]
    columns = ["seed", "split", "example", "participant", "target", "prediction", "p_healthy", "p_depressed"]
    return pd.DataFrame(lines, columns=columns)


@pytest.fixture
def stage(tmp_path):
    folder = tmp_path / "stages" / "both"
    folder.mkdir(parents=True)
    table = decisions()
    pd.concat([table.assign(split="validation", prediction="healthy"), table]).to_csv(
        folder / "predictions.csv", index=False
    )
    genders = np.array(["male", "female", "female", ""] * (N // 4))
    examples = SimpleNamespace(
        group_ids=np.array([f"r{i}" for i in range(N)]),
        first_rows=np.arange(N),
        n_originals=N,
        with_copies=lambda rows: rows,
        participants=np.array([f"p{i}" for i in range(N)]),
        groups=np.arange(N),
        splits=np.array(["test"] * 20 + ["train"] * 4),
        metadata={"gender": genders},
        classes=CLASSES,
        labels={"depressed": np.arange(N) % 2, "severity": np.array([0, 1, 0, 2] * (N // 4))},
    )
    own = tmp_path / "stages" / "this"
    own.mkdir()
    made = StageRun(
        "this", own, examples, config.Seeds(count=SEEDS), config.Mapping(), Console(file=io.StringIO()), None, STAGES
    )  # type: ignore[arg-type]
    made.other("both").remember(diverged=[5])
    return made


def page(stage, *exhibits, rows=()):
    workdir = stage.folder.parent.parent
    shown = Report("Made of others", "", "face_speech", rows, False, {}, "command", {}, "", exhibits=exhibits)
    report.write(shown, workdir, Console(file=io.StringIO()))
    return (workdir / "report" / "report.html").read_text(), workdir / "report"


def rows_of(config_, stage):
    record = stage.record | {"classes": CLASSES}
    return config_.table_rows(Finished("this", {"this": config_, **STAGES}, {"this": record, "both": {}}))


def test_each_group_has_its_own_rows_and_its_size(stage):
    groups.run(BY, stage)
    assert stage.record["groups"] == {"male": 5, "female": 10}
    assert stage.record["diverged"] == [5]
    assert stage.record["remark"] == "5 of 20 who were tested are in none of these groups."
    rows = rows_of(BY, stage)
    assert [row.label for row in rows] == ["By gender, male (n = 5)", "By gender, female (n = 10)"]
    found = pd.read_csv(stage.folder / rows[1].predictions)
    assert set(found["example"]) == {f"r{i}" for i in range(20) if i % 4 in (1, 2)}
    assert set(found["split"]) == {"test"}
    table = decisions().query("seed != 5")
    right = table[table["example"].isin(found["example"])]
    text, folder = page(stage, Exhibit("gaps", "this", "Gaps"), rows=tuple(rows))
    lines = pd.read_csv(folder / "table.csv").set_index(["row", "metric"])
    assert lines.loc[("By gender, female (n = 10)", "accuracy"), "avg"] == pytest.approx(
        (right["target"] == right["prediction"]).mean(), abs=1e-6
    )
    assert "groups drawn at random" in text


def test_the_gap_is_the_difference_of_the_rows(stage):
    groups.run(BY, stage)
    gap = read_csv(stage.folder / GAPS.name, GAPS.columns).set_index("metric").loc["accuracy"]
    table = decisions().query("seed != 5")
    right = (table["target"] == table["prediction"]).groupby(table["example"].map(lambda r: int(r[1:]) % 4)).mean()
    male, female = right[0], (right[1] + right[2]) / 2
    assert float(gap["gap"]) == pytest.approx(abs(male - female), abs=1e-5)
    assert gap["highest"] == ("male" if male > female else "female")


def test_groups_may_be_classes_of_a_label(stage):
    groups.run(dataclasses.replace(BY, by="severity", groups=("mild", "severe")), stage)
    assert stage.record["groups"] == {"mild": 5, "severe": 5}


def test_what_nobody_tells_has_no_rows_and_says_so(stage):
    asked = dataclasses.replace(BY, by="ethnicity", groups=("A", "B"))
    groups.run(asked, stage)
    assert stage.record["remark"] == "Of nobody who was tested the ethnicity is known."
    assert rows_of(asked, stage) == []
    assert "No gap is told" in page(stage, Exhibit("gaps", "this", "Gaps"))[0]


def test_a_curve_is_the_median_of_the_seeds_own(stage):
    roc.run(CURVES, stage)
    table = decisions().query("seed != 5")
    areas = read_csv(stage.folder / AUC.name, AUC.columns)
    assert areas["seed"].tolist() == ["0", "1", "2", "3", "4"]
    grid, curves = np.linspace(0, 1, 11), []
    for (seed, rows), area in zip(table.groupby("seed"), areas["auc"].astype(float), strict=True):
        y = rows["target"] == "depressed"
        assert area == pytest.approx(roc_auc_score(y, rows["p_depressed"]), abs=1e-5), seed
        fpr, tpr, _ = roc_curve(y, rows["p_depressed"])
        fine = np.linspace(0, 1, 100_001)
        dense = np.interp(fine + 1e-9, fpr, tpr)  # just to the right of each rise
        curves.append(dense[np.searchsorted(fine, grid)])
    found = read_csv(stage.folder / ROC.name, ROC.columns)
    np.testing.assert_allclose(found["tpr_median"].astype(float), np.median(curves, axis=0), atol=1e-4)
    assert (found["tpr_low"].astype(float) <= found["tpr_high"].astype(float)).all()


def test_where_a_curve_rises_straight_up_its_upper_end_counts():
    fpr, tpr = np.array([0, 0, 0.5, 0.5, 1]), np.array([0, 0.5, 0.5, 0.75, 1])
    found = roc.read_off(fpr, tpr, np.array([0, 0.25, 0.5, 0.75, 1]))
    np.testing.assert_allclose(found, [0.5, 0.5, 0.75, 0.875, 1])


def test_the_page_of_curves(stage):
    roc.run(CURVES, stage)
    text, folder = page(stage, Exhibit("roc", "this", "ROC"))
    assert len(list((folder / "figures").glob("*roc*.png"))) == 1
    assert "ROC AUC" in text


def test_a_split_of_one_class_has_no_curve(stage):
    path = stage.folder.parent / "both" / "predictions.csv"
    decisions().query("target == 'healthy'").to_csv(path, index=False)
    with pytest.raises(DataError, match=r"predictions\.csv: split 'test' has not both classes under each seed"):
        roc.run(CURVES, stage)


def test_samples_are_of_each_class_and_shown_where_they_may_be(stage):
    pictures = np.random.default_rng(0).integers(0, 255, (5, 8, 8, 3), np.uint8)
    stored = SimpleNamespace(originals=[SimpleNamespace(id=f"r{i}", values=pictures) for i in range(N)])
    stage.sources = SimpleNamespace(feature_sets=lambda data, stages: {"face": stored})
    data = config.Data(features={"face": Pixels(size=8)}, arrangements={"face": Arrangement(level="images")})
    data.splits.validation = ()
    asked = config.SamplesStage(
        label="Seen", data=data, feature="face", task="depressed", count=3, split="test", frames=4
    )
    stage.examples.splits = np.array(["train"] * 4 + ["test"] * 20)
    samples.run(asked, stage)
    found = read_csv(stage.folder / SAMPLES.name, SAMPLES.columns)
    assert found["label"].tolist() == ["healthy"] * 3 + ["depressed"] * 3
    assert found["recording"].tolist() == ["r4", "r12", "r22", "r5", "r13", "r23"]
    assert (found["picture"] == "").all()
    text, _ = page(stage, Exhibit("samples", "this", "Seen"))
    assert "--config.stages.this.pictures=True shows them" in text
    samples.run(dataclasses.replace(asked, pictures=True), stage)
    with Image.open(stage.folder / "sample_000.jpg") as shown:
        assert shown.size == (4 * 96 + 3 * 2, 96)
        np.testing.assert_allclose(np.asarray(shown)[6, 6], pictures[0, 0, 0], atol=40)
    text, _ = page(stage, Exhibit("samples", "this", "Seen"))
    assert text.count("data:image/jpeg;base64,") == 6


def test_a_strip_of_another_name_is_refused(stage):
    line = pd.DataFrame(
        [("face", "depressed", "healthy", "r1", "test", 3, "../../secret.jpg")], columns=SAMPLES.columns
    )
    stage.write_csv(SAMPLES.name, line)
    with pytest.raises(DataError, match=r"samples\.csv: line 2: picture: .*is no strip of this line"):
        page(stage, Exhibit("samples", "this", "Seen"))


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        (dataclasses.replace(BY, by=""), "by: name an entry of metadata"),
        (dataclasses.replace(BY, groups=("male",)), "groups: two or more different ones, found"),
        (dataclasses.replace(BY, figures={"other": ()}), "figures: 'other' is none of the groups male, female"),
        (dataclasses.replace(CURVES, rows=("both", "both")), "rows: one stage or more, each once"),
        (dataclasses.replace(CURVES, points=1), "points: 2 or more, found 1"),
        (config.SamplesStage(data=DATA, feature="text", task="depressed"), "feature: 'text' holds no pictures"),
        (
            config.SamplesStage(data=DATA, feature="face", task="depressed"),
            "feature: there is no 'face'; there are text",
        ),
    ],
)
def test_what_does_not_fit_is_one_line(asked, line):
    with pytest.raises(ConfigError, match=line):
        asked.check()
