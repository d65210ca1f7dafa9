"""Decisions on participants: the mean of those on their recordings, written as any others are."""

import io

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from input_pipeline.batching import Arrangement
from input_pipeline.config import ConfigError
from input_pipeline.errors import DataError
from input_pipeline.features import Sentences
from jaxdep import config
from jaxdep.experiment.run import run as run_experiment
from jaxdep.stages.sources import Sources

SPLITS = ("train", "train", "dev", "test")
CLASSES = {"depressed": ("healthy", "depressed"), "mood": ("calm", "sad")}


def experiment(**fields):
    data = config.Data(
        corpus="manifest:talk.csv",
        classes=CLASSES,
        scores=("phq8",),
        features={"text": Sentences(dim=8)},
        arrangements={"text": Arrangement(level="segments")},
        file_format="array_record",
    )
    task = fields.pop("task", "depressed")
    tasks = {task: config.Task()}
    stages = {
        "utterances": config.BaselineStage(
            kind="logistic", label="Utterances", data=data, tasks=tasks, report=("validation", "test")
        ),
        "participants": config.ParticipantStage(
            **{"of": "utterances", "label": "Participants", "data": data, "tasks": tasks, **fields}
        ),
    }
    return config.Experiment(name="x", title="X", description="X.", system="x", stages=stages)


def ran(tmp_path, **fields):
    """The decisions on utterances and on participants."""
    rng = np.random.default_rng(0)
    lines = ["id,participant,split,text,depressed,mood,phq8"]
    for number in range(16):
        depressed = number // 4 % 2
        for turn in range(1 + number % 3):
            text = " ".join(rng.choice(("tired", "alone", "dark") if depressed else ("sun", "dog", "fine"), 2))
            cells = SPLITS[number % 4], text, CLASSES["depressed"][depressed], CLASSES["mood"][turn % 2], str(number)
            lines.append(f"r{number}_{turn},p{number},{','.join(cells)}")
    (tmp_path / "talk.csv").write_text("\n".join(lines) + "\n")
    sources = Sources(tmp_path, tmp_path / "features", {}, Console(file=io.StringIO()))
    run_experiment(experiment(**fields).freeze(), tmp_path / "run", sources, command="x")
    return [pd.read_csv(tmp_path / f"run/stages/{name}/predictions.csv") for name in ("utterances", "participants")]


def test_a_participant_has_the_mean_of_the_probabilities_and_one_row_a_split(tmp_path):
    utterances, participants = ran(tmp_path, report=("validation", "test"))
    assert list(participants.columns) == list(utterances.columns)
    assert len(participants) == utterances["participant"].nunique() == 8
    for _, row in participants.iterrows():
        own = utterances[utterances["participant"] == row["participant"]]
        assert row["example"] == row["participant"]
        assert row["p_depressed"] == pytest.approx(own["p_depressed"].mean(), abs=1e-5)
        assert row["target"] == own["target"].iloc[0]
        assert row["prediction"] == CLASSES["depressed"][int(row["p_depressed"] >= 0.5)]
        assert row["split"] == own["split"].iloc[0]


def test_only_what_is_reported_is_written(tmp_path):
    _, participants = ran(tmp_path)
    assert set(participants["split"]) == {"test"}


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"of": "nobody"}, "nobody"),
        (
            {"task": "depressed", "tasks": {"mood": config.Task()}},
            r"tasks: 'mood', the first of 'utterances' is 'depressed'",
        ),
        (
            {"tasks": {"depressed": config.Task(), "mood": config.Task()}},
            r"tasks: one, the first of 'utterances', found",
        ),
        ({"of": "participants"}, "participants"),
    ],
)
def test_what_it_cannot_be_of_is_refused(fields, line):
    with pytest.raises(ConfigError, match=line):
        experiment(**fields).freeze()


def test_recordings_of_several_labels_are_no_participants(tmp_path):
    with pytest.raises(
        DataError, match=r"stages\.participants: the recordings of participant p\d+ have several labels 'mood'"
    ):
        ran(tmp_path, task="mood")
