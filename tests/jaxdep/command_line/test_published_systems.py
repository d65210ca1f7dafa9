"""Published experiments from their own configs to the page, on small stand-ins, with two seeds and an epoch."""

import importlib
from pathlib import Path

import pandas as pd
import pytest

from jaxdep.config import TrainStage

pytestmark = pytest.mark.slow  # whole runs

ROOT = Path(__file__).parents[3]
# By config: recordings of each corpus's stand-in, some headings and labels of the page, and the rows of networks.
RUNS = {
    "emoaudionet/table6": (
        {"daic_woz": 24, "librispeech": 30},
        (
            "Pretraining. Gender from read speech",
            "nobody on two sides",
            "windows divided at random, as published",
            "LEAKY",
        ),
        {
            "Gender: EmoAudioNet",
            "Depression: EmoAudioNet pretrained",
            "Depression, windows divided: EmoAudioNet (LEAKY)",
        },
    ),
    "amm/figure3": (
        {"mgid_repaired": 120},
        ("Table IV. One task or both", "Fig. 3.", "data:image/jpeg;base64,"),
        {"STL, T+V: depression", "MTL, T+V", "MTL, T+V: emotion"},
    ),
    "face_speech/table4": (
        {"talking_faces": 40, "emotion_faces": 40},
        ("Table 2. Each modality alone, and both", "Table 4. By gender", "drawn at random", "data:image/jpeg;base64,"),
        {"Emotion of faces", "Emotion of voices", "Face alone", "Speech alone", "Face and speech"},
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_config_runs_to_its_page(name, tmp_path, jaxdep_main):
    sessions, parts, networks = RUNS[name]
    stages = importlib.import_module(f"configs.{name.replace('/', '.')}").get_config("synthetic").stages
    changes = [
        f"--config.stages.{one}.data.stand_in.sessions={sessions[stage.data.corpus]}" for one, stage in stages.items()
    ]
    changes += [
        f"--config.stages.{one}.training.epochs=1" for one, stage in stages.items() if isinstance(stage, TrainStage)
    ]
    config, workdir = ROOT / f"configs/{name}.py:synthetic", tmp_path / "run"
    flags = (f"--config={config}", f"--workdir={workdir}", f"--data_dir={tmp_path}", "--config.seeds.count=2")
    ended = jaxdep_main(*flags, *changes, cwd=ROOT)
    assert ended.code == 0, ended.err
    page, table = (workdir / "report/report.html").read_text(), pd.read_csv(workdir / "report/table.csv")
    assert not [part for part in ("Synthetic corpus", *parts) if part not in page]
    trained = table[table["row"].isin(networks)]
    assert set(trained["row"]) == networks
    assert (trained["n_seeds"] == 2).all()
    assert trained["published_figure"].isna().all()
    assert {"accuracy", "tp"} <= set(table["metric"])  # confusion counts stand beside every score
