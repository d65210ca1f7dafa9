"""Spectrograms as images and the gender as an index, from a manifest's sound to the report."""

import numpy as np
import pandas as pd
import pytest
import soundfile

import jaxdep.models

MODEL = '''
import dataclasses

import jax
import jax.numpy as jnp
from flax import nnx

from jaxdep.models import ModelConfig, Outputs
from jaxdep.models.layers.decision import head_outputs, make_heads
from jaxdep.models.layers.dense import linear


@dataclasses.dataclass
class Faces(ModelConfig):
    """A layer on the rows of an image, and a vector a gender."""

    size: int = 8

    def takes(self):
        return {"sound": "image", "gender": "vector"}

    def build(self, inputs, outputs, *, rngs):
        return FacesModel(self, inputs, outputs, rngs=rngs)


class FacesModel(nnx.Module):
    def __init__(self, config, inputs, outputs, *, rngs):
        self.rows = linear(config.size * inputs["sound"], 4, rngs=rngs)
        self.genders = nnx.Param(jnp.zeros((2, 4)))
        self.heads = make_heads(4, outputs, "xavier_uniform", rngs)

    def __call__(self, features, *, step=None):
        (pixels, mask), (gender, known) = features["sound"], features["gender"]
        hidden = jax.nn.relu(self.rows(pixels.mean(2).reshape(len(mask), -1))) * mask[:, None]
        hidden += self.genders[...][gender[:, 0]] * known[:, None]
        return head_outputs(self.heads, hidden, {"session": hidden})
'''

CONFIG = """
from input_pipeline.batching import Arrangement
from input_pipeline.features import Metadata, SpectrogramImage
from jaxdep.config import (
    BaselineStage, Data, EvaluateStage, Experiment, Mapping, Missing, Optimizer, Seeds, Task, Training, TrainStage,
)
from jaxdep.models.faces import Faces


def get_config():
    sound = {"sound": SpectrogramImage(size=8, channels=1)}
    gender = {"gender": Metadata(field="gender", values=("f", "m"), encoding="index")}
    images, vector = {"sound": Arrangement(level="image")}, {"gender": Arrangement(level="vector")}
    corpus = {
        "corpus": "manifest:talk.csv",
        "classes": {"depressed": ("healthy", "depressed")},
        "file_format": "array_record",
    }
    row = {"tasks": {"depressed": Task()}, "metrics": ("accuracy",)}
    data = Data(features=sound | gender, arrangements=images | vector, **corpus)
    return Experiment(
        name="images",
        title="Images",
        system="images",
        seeds=Seeds(count=2),
        mapping=Mapping(mapper="map"),
        stages={
            "svm": BaselineStage(
                kind="svm", label="SVM", data=Data(features=sound, arrangements=images, **corpus), **row
            ),
            "model": TrainStage(
                label="Model",
                data=data,
                model=Faces(),
                optimizer=Optimizer(learning_rate=0.05),
                training=Training(epochs=20, batch_size=8, epochs_per_call=20, select="last"),
                **row,
            ),
            "deaf": EvaluateStage(
                label="Deaf", data=data, of="model", missing=(Missing(of="sound", share=1.0),), **row
            ),
        },
    )
"""


@pytest.fixture
def folder(tmp_path):
    """Twenty participants with two turns each; the depressed ones hum low. Of some the gender is not known."""
    lines = ["id,participant,split,audio,start,stop,gender,depressed"]
    (tmp_path / "data").mkdir()
    for number in range(20):
        depressed = number // 4 % 2
        time_s = np.arange(8000) / 16000
        sound = 0.3 * np.sin(2 * np.pi * (600 if depressed else 5000) * time_s * (1 + number / 200))
        soundfile.write(tmp_path / "data" / f"{number}.wav", sound, 16000)
        split, label = ("train", "train", "dev", "test")[number % 4], ("healthy", "depressed")[depressed]
        for start in (0.0, 0.25):
            gender = ("f", "m", "")[number % 3]
            lines.append(f"r{number},p{number},{split},{number}.wav,{start},{start + 0.25},{gender},{label}")
    (tmp_path / "data" / "talk.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "images.py").write_text(CONFIG)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "faces.py").write_text(MODEL)
    return tmp_path


@pytest.mark.slow  # each part has a test of its own
def test_images_and_metadata_go_from_sound_to_the_report(folder, monkeypatch, jaxdep_main):
    monkeypatch.setattr(jaxdep.models, "__path__", [*jaxdep.models.__path__, str(folder / "models")])
    ended = jaxdep_main("--config=images.py", "--workdir=run", "--data_dir=data", cwd=folder)
    assert ended.code == 0, ended.err
    assert "40 examples of 20 recordings (sound 40x8x8x1; gender 40x1)" in ended.out
    table = pd.read_csv(folder / "run" / "report" / "table.csv")
    average = table[(table["split"] == "test") & (table["metric"] == "accuracy")].set_index("row")["avg"]
    assert average["Model"] == 1
    assert average["Deaf"] < 1
    assert average["SVM"] < 1  # it sees how loud an image is, and not at which height
