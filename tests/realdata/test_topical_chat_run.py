"""The emotion model's text form on real dialogues to its page: two epochs of two seeds on a few hashed dimensions."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import jaxdep

pytestmark = pytest.mark.realdata

ROOT = Path(jaxdep.__file__).parents[1]
TASKS = {"emotion": 8, "sentiment": 3}
ROWS = ("majority", "logistic", "t_none", "t_bias")


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    data = os.environ.get("JAXDEP_DATA")
    if not data or not (Path(data) / "topical_chat").is_dir():
        pytest.skip("JAXDEP_DATA names no folder with topical_chat")
    folder = tmp_path_factory.mktemp("topical_chat")
    stages = [f"{task}_{row}" for task in TASKS for row in ROWS]
    smaller = [f"--config.stages.{stage}.data.features.text.dim=64" for stage in stages]
    smaller += [f"--config.stages.{stage}.training.epochs=2" for stage in stages if "_t_" in stage]
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "jaxdep.main", "--workdir=w", "--features_dir=features"),
            *(f"--config={ROOT / 'configs/emotion_transfer/topical_chat.py'}", f"--data_dir={Path(data).absolute()}"),
            *("--config.seeds.count=2", "--config.mapping.mapper=map", *smaller),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return folder / "w"


@pytest.mark.parametrize("task", TASKS)
def test_dialogues_are_tested_or_validate_but_never_both(workdir, task):
    for row in ROWS:
        found = pd.read_csv(workdir / f"stages/{task}_{row}/predictions.csv")
        for _, of_seed in found.groupby("seed"):
            tested, validating = (
                set(of_seed[of_seed["split"] == split]["participant"]) for split in ("test", "validation")
            )
            assert len(tested) == 539
            assert len(validating) == 81  # 15 % of 539, upwards
            assert not tested & validating


@pytest.mark.parametrize("task", TASKS)
def test_words_tell_the_sentiment_of_dialogues_never_read(workdir, task):
    table = pd.read_csv(workdir / "report/table.csv")
    scores = table[table["metric"] == "unweighted_accuracy"].set_index("row")["avg"]
    own = scores[scores.index.str.contains("eight" if task == "emotion" else "three")].to_list()
    assert own[0] == pytest.approx(1 / TASKS[task])
    # Chance is 1 / classes; the standard error over thousands of turns is below a hundredth, of rare classes three.
    assert own[1] > 1 / TASKS[task] + 0.06
    assert own[3] > 1 / TASKS[task] + 0.03
