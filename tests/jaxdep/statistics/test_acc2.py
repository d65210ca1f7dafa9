"""Acc2 of CMU-MOSEI in its two conventions, from the scores to the table, worked by hand."""

import types

import numpy as np
import pytest

from input_pipeline.corpora import cmu_mosei
from input_pipeline.corpora.cmu_mosei import CmuMosei
from jaxdep.config.rows import Row
from jaxdep.report import scores
from jaxdep.stages import StageRun

SENTIMENT = (-2.0, -0.5, 0.0, 0.0, 1.0)
NONNEGATIVE = np.array([0.2, 0.7, 0.9, 0.4, 0.8])  # what a model says: right, wrong, right, wrong, right


@pytest.mark.parametrize(
    ("label", "accuracy", "f1"),
    [
        ("sentiment_nonnegative", 3 / 5, 2 * 2 / (2 * 2 + 1 + 1)),  # of all five: TP 2, FP 1, FN 1
        ("sentiment_positive", 2 / 3, 2 * 1 / (2 * 1 + 1 + 0)),  # without the two zeros: TP 1, FP 1, FN 0
    ],
)
def test_both_conventions_by_hand(tmp_path, label, accuracy, f1):
    labels = [cmu_mosei._labels(cmu_mosei.Clip(k, 0.0, 1.0, (score, *[0.0] * 6))) for k, score in enumerate(SENTIMENT)]
    classes = CmuMosei.classes[label]
    examples = types.SimpleNamespace(
        labels={label: np.array([classes.index(one[label]) if label in one else -1 for one in labels])},
        classes={label: classes},
        group_ids=np.array([f"clip{k}" for k in range(5)]),
        participants=np.array(list("abcde")),
        first_rows=np.arange(5),
    )
    folder = tmp_path / "stages" / "mosei"
    folder.mkdir(parents=True)
    stage = StageRun("mosei", folder, examples, *[None] * 4)
    decided = stage.predictions(label, "test", 0, np.arange(5), np.stack([1 - NONNEGATIVE, NONNEGATIVE], axis=1))
    stage.write_csv("predictions.csv", decided)
    found = scores.read(Row("mosei", "A", "test", ("accuracy", "f1"), classes[1], classes), tmp_path).per_seed
    assert found["accuracy"] == pytest.approx([accuracy])
    assert found["f1"] == pytest.approx([f1])
