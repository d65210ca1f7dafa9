"""The stand-in for MGID: its layout, and the planted effect as classifiers find it that know nothing of how it was made."""

import collections
import csv
import itertools
import json

import numpy as np
import pytest
from PIL import Image
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import cross_val_score

from input_pipeline.corpora import open_corpus
from input_pipeline.errors import DataError
from input_pipeline.synthesis import options_of, synthesize
from input_pipeline.synthesis.mgid import EMOTIONS, SPLITS, bayes_accuracy

SESSIONS = 900
TASKS = ("depressed", "emotion")
MODALITIES = ("text", "image", "both")


@pytest.fixture(scope="module", params=[1.0, 0.0])
def seen(request, tmp_path_factory):
    """The effect, and of a stand-in with it by modality what each row shows, [rows, inputs], and by task the labels."""
    data_dir = tmp_path_factory.mktemp("data")
    synthesize("mgid", data_dir, sessions=SESSIONS, effect=request.param, defects=False)
    recordings = open_corpus("mgid", data_dir).recordings()
    words = CountVectorizer().fit_transform(one.segments[0].text for one in recordings).toarray()
    colours = np.stack([_histogram(one.tracks["image"]) for one in recordings])
    inputs = {"text": words, "image": colours, "both": np.hstack([words, colours])}
    return request.param, inputs, {task: np.array([one.labels[task] for one in recordings]) for task in TASKS}


def _histogram(path):
    """Shares of the pixels by hue (of those with a colour) and by brightness (of those without)."""
    hue, saturation, value = np.asarray(Image.open(path).convert("HSV")).reshape(-1, 3).T.astype(float)
    coloured = saturation > 128
    hues = np.histogram((hue[coloured] + 21) % 256, bins=6, range=(0, 256))[0]
    return 10 * np.concatenate([hues, np.histogram(value[~coloured], bins=8, range=(0, 256))[0]]) / len(hue)


def _accuracy(inputs, labels):
    """Of rows that the classifier was not fitted on."""
    return float(cross_val_score(RidgeClassifier(alpha=3.0), inputs, labels, cv=4).mean())


@pytest.mark.parametrize("task", TASKS)
def test_words_and_colours_tell_what_was_planted_and_both_tell_more(seen, task):
    effect, inputs, labels = seen
    reached = {modality: _accuracy(inputs[modality], labels[task]) for modality in MODALITIES}
    best = {modality: bayes_accuracy(effect, task, modality) for modality in MODALITIES}
    for modality in MODALITIES:
        assert reached[modality] <= best[modality] + 0.05, (reached, best)
    if effect:
        assert reached["both"] > max(reached["text"], reached["image"]) + 0.06, (reached, best)
        for modality in MODALITIES:
            assert reached[modality] > best[modality] - 0.08, (reached, best)
    else:
        chance = max(collections.Counter(labels[task]).values()) / len(labels[task])
        assert max(best.values()) == pytest.approx(chance, abs=0.01)


def test_the_best_accuracy_is_what_follows_from_the_cases():
    right = 1 / (1 + np.exp(-3.0))
    assert bayes_accuracy(1.0, "depressed", "text") == pytest.approx(0.7 * right + 0.3 * 0.5, abs=0.01)
    assert bayes_accuracy(0.0, "depressed", "both") == pytest.approx(0.5)
    assert bayes_accuracy(0.0, "emotion", "both") == pytest.approx(0.33)
    for task in TASKS:
        of_effects = [bayes_accuracy(effect, task, "both") for effect in (0.0, 0.5, 1.0, 2.0)]
        assert of_effects == sorted(of_effects)
        assert bayes_accuracy(1.0, task, "text") == pytest.approx(bayes_accuracy(1.0, task, "image"))
    assert [sum(shares.values()) for shares in EMOTIONS.values()] == pytest.approx([1.0, 1.0])


def test_its_files_are_those_of_the_original(tmp_path):
    root = synthesize("mgid", tmp_path, sessions=200)
    names = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.suffix != ".jpg")
    assert names == [
        "SYNTHETIC.json",
        "dataset.csv",
        "dev",
        "dev/dev.csv",
        "images",
        "test",
        "test/test.csv",
        "train",
        "train/train.csv",
    ]
    tables = {}
    for path in (root / "dataset.csv", *(root / split / f"{split}.csv" for split in SPLITS)):
        assert path.read_bytes().startswith(b"\xef\xbb\xbfDepression Label,Emotion Label,Title,Text,Image URL\n")
        with path.open(encoding="utf-8-sig", newline="") as file:
            tables[path.stem] = list(csv.DictReader(file))
    assert tables.pop("dataset") == [row for rows in tables.values() for row in rows]
    assert {split: len(rows) for split, rows in tables.items()} == {"train": 140, "dev": 20, "test": 40}
    rows = list(itertools.chain(*tables.values()))
    assert {row["Depression Label"] for row in rows} == {"TRUE", "FALSE"}
    assert 0.15 < np.mean([not row["Text"] for row in rows]) < 0.35
    assert any("\n" in row["Text"] for row in rows)
    assert any('"' in row["Text"] for row in rows)
    assert any("%" in row["Image URL"] for row in rows)
    assert len(list((root / "images").iterdir())) == len({row["Image URL"] for row in rows}) == 199


@pytest.mark.parametrize("defects", [True, False])
def test_the_splits_have_the_defects_of_the_original_or_none(tmp_path, defects):
    root = synthesize("mgid", tmp_path, sessions=400, defects=defects)
    marker = json.loads((root / "SYNTHETIC.json").read_text())
    assert marker["parameters"]["defects"] is defects
    rules = {finding.rule for scanned in open_corpus("mgid", tmp_path).scan() for finding in scanned.findings}
    assert rules == {"empty-text"} | ({"url-in-two-splits", "text-in-two-splits", "absent-class"} if defects else set())
    labels = collections.Counter(one.labels["emotion"] for one in open_corpus("mgid", tmp_path).recordings())
    wanted = {"neutral": 0.27, "happiness": 0.1, "fear": 0.1, "surprise": 0.1, "depressed": 0.33, "anger": 0.1}
    assert set(labels) == set(wanted)
    for emotion, share in wanted.items():
        assert labels[emotion] / 400 == pytest.approx(
            share - (0.066 * defects if emotion == "depressed" else 0), abs=0.035
        )


def test_its_options_are_its_own(tmp_path):
    assert options_of("mgid")["defects"] is bool
    synthesize("mgid", tmp_path, sessions=40)
    with pytest.raises(DataError, match="defects=True where False is asked for"):
        synthesize("mgid", tmp_path, sessions=40, defects=False)
