"""An experiment whose model trains on perturbed copies: what it writes is of the recordings alone."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from input_pipeline.config import ConfigError
from input_pipeline.features import Perturbation
from jaxdep.config import Data, ExtractStage

CONFIG = '''
"""Low and high tones, told apart by a small network."""

from input_pipeline.batching import Arrangement
from input_pipeline.config import ConfigError
from input_pipeline.features import Metadata, Mfcc, Perturbation, Sentences, SpeechWindows
from jaxdep.config import BaselineStage, Data, Experiment, Mapping, Sampling, Seeds, Task, Training, TrainStage
from jaxdep.models.emoaudionet import MfccCNN

NOISE, LOWER = Perturbation(noise=0.02), Perturbation(semitones=-2.0)
COPIES = {
    "one": (NOISE,),
    "two": (NOISE, LOWER),
    "network": (NOISE, LOWER),
    "nothing": (NOISE, Perturbation()),
    "twice": (NOISE, NOISE),
    "wrong": (Perturbation(noise=-1.0),),
}
WINDOWS = SpeechWindows(window_s=0.2, hop_s=0.2, pause_s=0.0)
VECTOR = Arrangement(level="vector")


def get_config(variant: str = "") -> Experiment:
    features = {"mfcc": Mfcc(windows=WINDOWS, reading="paper", dim=24), "gender": Metadata(values=("female", "male"))}
    arrangements = {"mfcc": Arrangement(level="frame"), "gender": VECTOR}
    if variant == "words":
        features, arrangements = features | {"text": Sentences(dim=4)}, arrangements | {"text": VECTOR}
    if variant == "known":
        del features["mfcc"], arrangements["mfcc"]
    row = {
        "data": Data(
            corpus="manifest:tones.csv",
            classes={"pitch": ("low", "high")},
            features=features,
            arrangements=arrangements,
            file_format="array_record",
            copies=COPIES.get(variant, (NOISE,)),
        ),
        "tasks": {"pitch": Task()},
        "metrics": ("accuracy",),
    }
    network = TrainStage(
        label="Network",
        report=("validation", "test"),
        model=MfccCNN(channels=2, kernel=3, dropout=0.0),
        training=Training(epochs=2, batch_size=4, epochs_per_call=2, sampling=Sampling(per_recording=1)),
        score_windows=True,
        **row,
    )
    return Experiment(
        name="tones",
        title="Tones",
        system="tones",
        seeds=Seeds(count=2),
        mapping=Mapping(mapper="vmap"),
        stages={
            "logistic": BaselineStage(kind="logistic", label="Logistic", **row),
            **({"network": network} if variant == "network" else {}),
        },
    )
'''


@pytest.fixture(autouse=True)
def _no_workers(monkeypatch):
    """Starting processes takes longer than all that they would compute."""
    monkeypatch.setattr("joblib.cpu_count", lambda: 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, quick_compilation):
    root = tmp_path_factory.mktemp("tones")
    (root / "data").mkdir()
    lines = ["id,participant,split,audio,gender,text,pitch"]
    for number in range(12):
        low, split = number // 3 % 2, ("train", "dev", "test")[number % 3]
        times = np.arange(8000) / 16000
        sound = 0.3 * np.sin(2 * np.pi * (300 + 500 * (1 - low) + 20 * number) * times)
        soundfile.write(root / "data" / f"{number}.wav", sound, 16000, subtype="PCM_16")
        gender, pitch = ("female", "male")[number % 2], ("high", "low")[low]
        lines.append(f"r{number},p{number},{split},{number}.wav,{gender},a tone,{pitch}")
    (root / "data" / "tones.csv").write_text("\n".join(lines) + "\n")
    (root / "tones.py").write_text(CONFIG)
    return root


def run(variant: str, folder: Path, jaxdep_main) -> str:
    """Runs the config to its end and returns what it printed."""
    arguments = f"--config=tones.py:{variant}", "--workdir=w", "--features_dir=features", "--overwrite"
    ended = jaxdep_main(*arguments, cwd=folder)
    assert ended.code == 0, ended.err
    return ended.out


def shards(folder: Path) -> dict[str, int]:
    """The folders of features, and when they were written."""
    return {one.name: one.stat().st_mtime_ns for one in (folder / "features" / "manifest-tones").iterdir()}


def check_stage(folder: Path, stage: str, seeds: int) -> None:
    """Its predictions and its record are of the twelve recordings."""
    predictions = pd.read_csv(folder / "w" / "stages" / stage / "predictions.csv")
    for split, remainder in (("validation", 1), ("test", 2)):
        expected = [f"r{number}" for number in range(remainder, 12, 3)]
        assert predictions.loc[predictions["split"] == split, "example"].tolist() == expected * seeds
    told = json.loads((folder / "w" / "stages" / stage / "stage.json").read_text())["data"]
    assert (told["recordings"], told["participants"], told["examples"]) == (12, 12, 24)
    assert (told["splits"], told["left_out"]) == ({"train": 4, "dev": 4, "test": 4}, [])


def check_unnamed(folder: Path) -> None:
    """No copy, `<recording>~<number>`, is named on the page or in a table."""
    files = [folder / "w/report/report.html", *(folder / "w").rglob("*.csv")]
    assert not any("~" in path.read_text() for path in files)


def test_a_further_copy_is_all_that_is_extracted_and_what_a_run_writes_is_of_the_recordings_alone(folder, jaxdep_main):
    run("one", folder, jaxdep_main)
    before = shards(folder)
    assert len(before) == 3  # the vectors, those of the copy, and the gender of both
    printed = run("two", folder, jaxdep_main)
    now = shards(folder)
    assert len(now) == 4
    assert {name: now[name] for name in before} == before
    assert "24 examples of 12 recordings, each with 2 perturbed copies" in printed
    check_stage(folder, "logistic", seeds=1)
    check_unnamed(folder)


@pytest.mark.slow
def test_what_a_network_decides_is_of_the_recordings_alone(folder, jaxdep_main):
    run("network", folder, jaxdep_main)
    check_stage(folder, "network", seeds=2)
    windows = pd.read_csv(folder / "w/stages/network/predictions_windows.csv")
    tested = windows[(windows["split"] == "test") & (windows["seed"] == 0)]
    assert tested["example"].tolist() == [f"r{number}:{window}" for number in (2, 5, 8, 11) for window in range(2)]
    check_unnamed(folder)
    assert "Trained on 2 perturbed copies of each recording too." in (folder / "w/report/report.html").read_text()


def test_features_are_extracted_of_no_copies():
    with pytest.raises(ConfigError, match=r"^data\.copies: features are extracted of the recordings as they are"):
        ExtractStage(data=Data(copies=(Perturbation(noise=0.01),))).check()


@pytest.mark.parametrize(
    ("variant", "line"),
    [
        ("nothing", "data.copies[1]: it changes nothing; give it noise or semitones"),
        ("twice", "data.copies[1]: another copy is the same; give each its own noise or semitones"),
        ("wrong", "data.copies[0].noise: expected a share of full scale, 0 or more, found -1.0"),
        ("words", "data.features.text: sentences cannot be made of perturbed speech; leave it out, or the copies"),
        ("known", "data.copies: sound has no part in gender; leave the copies out"),
    ],
)
def test_copies_that_cannot_be_are_told_in_a_line(folder, jaxdep_main, variant, line):
    ended = jaxdep_main(f"--config=tones.py:{variant}", "--workdir=w", cwd=folder)
    assert ended.code != 0
    assert ended.complaint.endswith(f"config.stages.logistic.{line}")
