"""The EmoDB experiment from real waveforms to its page, for two epochs of three seeds and a narrow branch."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import jaxdep
from jaxdep.report.table import COLUMNS

pytestmark = pytest.mark.realdata

ROOT = Path(jaxdep.__file__).parents[1]
EMOTIONS = ("anger", "happiness", "neutral", "sadness")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder in which the run has left its workdir `w`, and what it printed."""
    data = os.environ.get("JAXDEP_DATA")
    if not data or not (Path(data) / "emodb").is_dir():
        pytest.skip("JAXDEP_DATA names no folder with emodb")
    folder = tmp_path_factory.mktemp("emodb")
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "jaxdep.main"),
            *(f"--config={ROOT / 'configs/emotion_transfer/emodb.py'}:small", "--workdir=w"),
            *(f"--data_dir={Path(data).absolute()}", "--features_dir=features"),
            *("--config.seeds.count=3", "--config.mapping.mapper=map", "--config.stages.audio.model.width=16"),
            "--config.stages.audio.training.epochs=2",
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return folder, ended


def predictions(finished, stage: str) -> pd.DataFrame:
    return pd.read_csv(finished[0] / f"w/stages/{stage}/predictions.csv", dtype={"participant": str})


def recall(found: pd.DataFrame) -> float:
    """Unweighted accuracy: the mean over the classes of the share that is found."""
    return (found["prediction"] == found["target"]).groupby(found["target"]).mean().mean()


def test_the_workdir_holds_what_it_must(finished):
    workdir = finished[0] / "w"
    names = {str(path.relative_to(workdir)) for path in workdir.rglob("*") if path.is_file()}
    assert names >= {"config.json", "environment.json", "report/table.csv", "report/report.md", "report/report.html"}
    for stage in ("majority", "gender", "svm", "audio"):
        assert names >= {f"stages/{stage}/stage.json", f"stages/{stage}/predictions.csv"}
    assert "stages/audio/metrics.csv" in names
    assert any(name.startswith("tensorboard/audio/events.out.tfevents") for name in names)
    assert any(name.startswith("report/figures/") for name in names)


def test_every_utterance_of_the_held_out_speakers_is_decided_once_by_each_seed(finished):
    # Counted in the corpus: of the four emotions, 39 utterances are speaker 03's, 42 are 08's, 30 are 09's.
    for stage, seeds in (("majority", 1), ("svm", 1), ("audio", 3)):
        found = predictions(finished, stage)
        expected = ["seed", "split", "example", "participant", "target", "prediction", *(f"p_{e}" for e in EMOTIONS)]
        assert list(found.columns) == expected
        assert not found.duplicated(["seed", "example"]).any()
        test, validation = found[found["split"] == "test"], found[found["split"] == "validation"]
        assert set(test["participant"]) == {"03", "08"}
        assert set(validation["participant"]) == {"09"}
        assert test.groupby(["seed", "participant"]).size().tolist() == [39, 42] * seeds
        assert validation.groupby("seed").size().tolist() == [30] * seeds
        letters = {"W": "anger", "F": "happiness", "N": "neutral", "T": "sadness"}
        assert (found["example"].str[5].map(letters) == found["target"]).all()
        np.testing.assert_allclose(found[[f"p_{emotion}" for emotion in EMOTIONS]].sum(axis=1), 1, atol=5e-6)


def test_the_svm_hears_the_emotion_of_speakers_it_never_heard(finished):
    # Chance is 0.25; 0.55 lies more than six standard errors of 81 decisions above it.
    found = predictions(finished, "svm")
    assert recall(found[found["split"] == "test"]) > 0.55


def test_the_majority_class_is_at_chance(finished):
    found = predictions(finished, "majority")
    assert recall(found[found["split"] == "test"]) == pytest.approx(0.25)
    assert set(found["prediction"]) == {"anger"}


def test_every_seed_of_the_branch_learns_within_two_epochs(finished):
    metrics = pd.read_csv(finished[0] / "w/stages/audio/metrics.csv")
    loss = metrics[(metrics["split"] == "train") & (metrics["metric"] == "loss")].pivot(
        index="seed", columns="epoch", values="value"
    )
    assert loss.shape == (3, 2)
    assert (loss[2] < 0.95 * loss[1]).all()


def test_the_table_has_every_row_and_no_published_figure(finished):
    table = pd.read_csv(finished[0] / "w/report/table.csv")
    assert list(table.columns) == list(COLUMNS)
    assert table[[name for name in COLUMNS if name.startswith("published_")]].isna().all(axis=None)
    chosen = table[table["metric"] == "unweighted_accuracy"]
    assert chosen["n_seeds"].tolist() == [1, 1, 1, 3]  # majority, gender, SVM, and three seeds of the network
    audio = predictions(finished, "audio")
    scores = [recall(one) for _, one in audio[audio["split"] == "test"].groupby("seed")]
    np.testing.assert_allclose(chosen.iloc[3][["max", "avg"]].astype(float), [max(scores), np.mean(scores)], atol=5e-4)


def test_real_speech_is_not_called_synthetic_and_the_log_says_what_was_read(finished):
    folder, ended = finished
    assert "synthetic" not in (folder / "w/report/report.html").read_text().lower()
    assert re.search(r"^emodb: .*339 recordings", ended.stdout, re.MULTILINE)
