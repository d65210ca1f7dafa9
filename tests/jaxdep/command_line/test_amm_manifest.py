"""AMM on a user's own posts: text, a picture or the frames of a clip, and two columns of labels, from a manifest to the page."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

CONFIG = '''
"""AMM on posts.csv."""

from input_pipeline.batching import Arrangement
from input_pipeline.config import ConfigError
from input_pipeline.features import HsvHistogram, MetadataWord, Words
from jaxdep.config import Data, Experiment, Further, Mapping, Seeds, Task, Training, TrainStage
from jaxdep.models.amm import AMM


def get_config(variant: str = "image") -> Experiment:
    pictures = HsvHistogram(bins=(2, 2, 2), zones=4) if variant == "image" else HsvHistogram(bins=(2, 2, 2), of="video")
    vector = Arrangement(level="vector")
    stage = TrainStage(
        label="AMM",
        data=Data(
            corpus="manifest:posts.csv",
            classes={"low": ("no", "yes"), "mood": ("calm", "glad", "sad")},
            features={
                "text": Words(dim=8),
                "image": pictures,
                "colour": HsvHistogram(bins=(2, 2, 2), of=variant),
                "gender": MetadataWord(dim=4),
            },
            arrangements={
                "text": Arrangement(level="frames"),
                "image": Arrangement(level="frames"),
                "colour": vector,
                "gender": vector,
            },
            file_format="array_record",
        ),
        tasks={"low": Task(), "mood": Task()},
        metrics=("f1_micro", "accuracy"),
        model=AMM(
            gender="gender", colour="colour", hidden=3, image_hidden=3, attention_units=3, heads=2, head_dim=2, task_hidden=3
        ),
        training=Training(epochs=2, batch_size=4, monitor="loss"),
        further=(Further(label="mood", against="mood", task="mood", metrics=("f1_micro",)),),
    )
    return Experiment(
        name="posts",
        title="Posts",
        description="Posts.",
        system="amm",
        seeds=Seeds(count=2),
        mapping=Mapping(mapper="map"),
        stages={"amm": stage},
    )
'''


@pytest.fixture
def posts(tmp_path):
    """Sixteen posts with a picture and two frames each; of the last the picture, of two the mood, of one the gender lacks."""
    rng = np.random.default_rng(0)
    data = tmp_path / "data"
    lines = ["id,participant,split,text,image,video,gender,low,mood"]
    for number in range(16):
        for name in (f"pictures/{number}.png", f"clips/{number}/1.png", f"clips/{number}/2.png"):
            (data / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (8, 6, 3), dtype=np.uint8)).save(data / name)
        split, low = ("train", "train", "dev", "test")[number % 4], number // 4 % 2
        mood = "" if number in (4, 7) else ("calm", "glad", "sad")[number % 3]
        cells = ("tired and alone", "sun and a dog")[low], f"pictures/{number}.png" if number < 15 else ""
        gender = ("female", "male")[number % 2] if number else ""
        lines.append(
            f"r{number},p{number},{split},{','.join(cells)},clips/{number},{gender},{('no', 'yes')[low]},{mood}"
        )
    (data / "posts.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "amm.py").write_text(CONFIG)
    return tmp_path


@pytest.mark.parametrize("pictures", ["image", "video"])
def test_two_labels_are_learnt_from_words_and_pictures_where_some_lack_either(posts, jaxdep_main, pictures):
    ended = jaxdep_main(f"--config=amm.py:{pictures}", "--workdir=run", "--data_dir=data", cwd=posts)
    assert ended.code == 0, ended.err
    stage = posts / "run/stages/amm"
    low, mood = (pd.read_csv(stage / name) for name in ("predictions.csv", "predictions_mood.csv"))
    assert set(low["seed"]) == set(mood["seed"]) == {0, 1}
    tested = {name: table[table["split"] == "test"] for name, table in (("low", low), ("mood", mood))}
    assert set(tested["low"]["example"]) == {"r3", "r7", "r11", "r15"}  # that without a picture too
    assert set(tested["mood"]["example"]) == {"r3", "r11", "r15"}  # not that without a mood
    for table, columns in ((low, ["p_no", "p_yes"]), (mood, ["p_calm", "p_glad", "p_sad"])):
        np.testing.assert_allclose(table[columns].sum(axis=1), 1, atol=1e-5)
    report = pd.read_csv(posts / "run/report/table.csv")
    assert {"AMM", "AMM: mood"} <= set(report["row"])


def test_a_clip_that_is_a_video_file_is_told_how_its_frames_are_made(posts, jaxdep_main):
    (posts / "data/film.mp4").write_bytes(b"\0\0\0\x18ftypmp42")
    table = (posts / "data/posts.csv").read_text().replace("clips/3,", "film.mp4,")
    (posts / "data/posts.csv").write_text(table)
    ended = jaxdep_main("--config=amm.py:video", "--workdir=run", "--data_dir=data", cwd=posts)
    assert ended.code == 1
    assert "film.mp4 is no folder; a clip is read from a folder of its frames, as `ffmpeg" in ended.complaint


def test_a_picture_that_is_not_there_is_one_line_with_its_row(posts, jaxdep_main):
    (posts / "data/pictures/3.png").unlink()
    ended = jaxdep_main("--config=amm.py:image", "--workdir=run", "--data_dir=data", cwd=posts)
    assert ended.code == 1
    assert "posts.csv, line 5: image points at" in ended.complaint
