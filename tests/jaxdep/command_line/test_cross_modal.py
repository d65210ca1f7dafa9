"""Words, gender and a spectrogram as an image in one model of two tasks, from a manifest to the report.

The image part starts from a stage that saw images alone, and stands still for three epochs; of one task two labels in five
are missing.
"""

import json

import jax
import numpy as np
import orbax.checkpoint as ocp
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
from jaxdep.models.layers.normalization import BatchNorm
from jaxdep.models.layers.pooling import masked_mean


@dataclasses.dataclass
class Scene(ModelConfig):
    """A layer on the rows of an image; where `cross_modal`, also on the mean word, and a vector a gender."""

    size: int = 8
    cross_modal: bool = True

    def takes(self):
        others = {"words": "sequence", "gender": "vector"} if self.cross_modal else {}
        return {"sound": "image"} | others

    def build(self, inputs, outputs, *, rngs):
        return SceneModel(self, inputs, outputs, rngs=rngs)


class SceneModel(nnx.Module):
    def __init__(self, config, inputs, outputs, *, rngs):
        self.image = nnx.Dict(norm=BatchNorm(inputs["sound"]), rows=linear(config.size * inputs["sound"], 4, rngs=rngs))
        if config.cross_modal:
            self.words, self.genders = linear(inputs["words"], 4, rngs=rngs), nnx.Param(jnp.zeros((2, 4)))
        self.cross_modal = config.cross_modal
        self.heads = make_heads(4, outputs, "xavier_uniform", rngs)

    def __call__(self, features, *, step=None):
        pixels, mask = features["sound"]
        cells = jnp.broadcast_to(mask[:, None, None], pixels.shape[:3])
        pixels = self.image["norm"](pixels, step, cells).mean(2)
        hidden = jax.nn.relu(self.image["rows"](pixels.reshape(len(mask), -1))) * mask[:, None]
        if self.cross_modal:
            gender, known = features["gender"]
            hidden += jax.nn.relu(self.words(masked_mean(*features["words"])))
            hidden += self.genders[...][gender[:, 0]] * known[:, None]
        return head_outputs(self.heads, hidden, {"session": hidden})
'''

CONFIG = """
from input_pipeline.batching import Arrangement
from input_pipeline.features import Metadata, Sentences, SpectrogramImage
from jaxdep.config import (
    BaselineStage, Data, EvaluateStage, Experiment, Frozen, Mapping, Missing, Optimizer, Seeds, Start, Task, Training,
    TrainStage,
)
from jaxdep.models.scene import Scene


def get_config():
    sound = {"sound": SpectrogramImage(of="recording", size=224)}
    others = {
        "words": Sentences(dim=16),
        "gender": Metadata(field="gender", values=("f", "m"), encoding="index"),
    }
    image = {"sound": Arrangement(level="image")}
    arrangements = {"words": Arrangement(level="segments"), "gender": Arrangement(level="vector")}
    corpus = {
        "corpus": "manifest:talk.csv",
        "classes": {"depressed": ("healthy", "depressed"), "mood": ("glad", "sad")},
        "file_format": "array_record",
    }
    row = {"metrics": ("accuracy",), "optimizer": Optimizer(learning_rate=0.02)}
    data, alone = (
        Data(features=features, arrangements=laid, **corpus)
        for features, laid in ((sound | others, image | arrangements), (sound, image))
    )
    tasks = {"depressed": Task(), "mood": Task()}
    return Experiment(
        name="scene",
        title="Scene",
        system="scene",
        seeds=Seeds(count=2),
        mapping=Mapping(mapper="map"),
        stages={
            "svm": BaselineStage(
                kind="svm", label="SVM", data=alone, tasks={"depressed": Task()}, metrics=("accuracy",)
            ),
            "image": TrainStage(
                label="Image",
                data=alone,
                tasks={"mood": Task()},
                model=Scene(size=224, cross_modal=False),
                training=Training(epochs=5, batch_size=8, select="last"),
                **row,
            ),
            "still": TrainStage(
                label="Still",
                data=data,
                tasks=tasks,
                model=Scene(size=224),
                start=(Start(stage="image", part="image"),),
                training=Training(epochs=3, batch_size=8, select="last", frozen=(Frozen("image", until=3),)),
                **row,
            ),
            "model": TrainStage(
                label="Model",
                data=data,
                tasks=tasks,
                model=Scene(size=224),
                start=(Start(stage="image", part="image"),),
                training=Training(epochs=20, batch_size=8, select="last", frozen=(Frozen("image", until=3),)),
                **row,
            ),
            "deaf": EvaluateStage(
                label="Deaf", data=data, of="model", missing=(Missing(of="sound", share=1.0),), tasks=tasks,
                metrics=("accuracy",),
            ),
        },
    )
"""


def image_part(folder, stage):
    """The parameters and statistics of the image part that a stage ended with."""
    (checkpoint,) = (folder / "run/stages" / stage / "checkpoints/seeds_0-1").iterdir()
    states = ocp.StandardCheckpointer().restore((checkpoint / "default").absolute())["states"]
    return [states[kind]["image"] for kind in ("params", "statistics")]


@pytest.fixture
def folder(tmp_path):
    """Twenty participants with two turns each; the depressed ones hum low. Of some gender and mood are not known."""
    lines = ["id,participant,split,audio,start,stop,text,gender,depressed,mood"]
    (tmp_path / "data").mkdir()
    for number in range(20):
        depressed = number // 4 % 2
        time_s = np.arange(8000) / 16000
        sound = 0.3 * np.sin(2 * np.pi * (600 if depressed else 5000) * time_s * (1 + number / 200))
        soundfile.write(tmp_path / "data" / f"{number}.wav", sound, 16000)
        split, label = ("train", "train", "dev", "test")[number % 4], ("healthy", "depressed")[depressed]
        for start in (0.0, 0.25):
            gender, mood = ("f", "m", "")[number % 3], (("glad", "sad")[depressed], "")[number // 8 % 2]
            text = f"{('rain', 'sun')[number % 2]} today"
            lines.append(
                f"r{number},p{number},{split},{number}.wav,{start},{start + 0.25},{text},{gender},{label},{mood}"
            )
    (tmp_path / "data" / "talk.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "scene.py").write_text(CONFIG)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "scene.py").write_text(MODEL)
    return tmp_path


@pytest.mark.slow  # each part has a test of its own
def test_a_cross_modal_model_of_two_tasks_trains_in_phases_from_another_stage(folder, monkeypatch, jaxdep_main):
    monkeypatch.setattr(jaxdep.models, "__path__", [*jaxdep.models.__path__, str(folder / "models")])
    ended = jaxdep_main("--config=scene.py", "--workdir=run", "--data_dir=data", cwd=folder)
    assert ended.code == 0, ended.err
    assert "20 examples of 20 recordings (sound 20x224x224x3; words 20x2x16; gender 20x1)" in ended.out
    given, still, moved = (image_part(folder, stage) for stage in ("image", "still", "model"))
    jax.tree.map(np.testing.assert_array_equal, still, given)  # from the other stage, and not moved since
    assert not np.array_equal(moved[0]["rows"]["kernel"], given[0]["rows"]["kernel"])
    assert not np.array_equal(moved[1]["norm"]["mean"], given[1]["norm"]["mean"])
    table = pd.read_csv(folder / "run" / "report" / "table.csv")
    average = table[(table["split"] == "test") & (table["metric"] == "accuracy")].set_index("row")["avg"]
    assert average["Model"] == 1
    assert average["Deaf"] < 1
    moods = pd.read_csv(folder / "run/stages/model/predictions_mood.csv")
    assert 0 < len(moods) < len(pd.read_csv(folder / "run/stages/model/predictions.csv"))
    record = json.loads((folder / "run/stages/model/stage.json").read_text())
    assert record["diverged"] == []
