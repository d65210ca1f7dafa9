"""The readings of a published F1, against scikit-learn's scores of confusion matrices whose readings are known."""

import math

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, precision_score, recall_score

from configs.face_speech import table2
from jaxdep.statistics import readings


@pytest.mark.parametrize("counts", [(20, 10, 5, 9), (100, 33, 22, 34), (0, 30, 0, 14), (30, 0, 14, 0), (5, 1, 60, 40)])
def test_accuracy_ua_and_prevalence_give_back_every_f1_of_a_confusion_matrix(counts: tuple[int, ...]) -> None:
    target, prediction = (np.repeat(side, counts) for side in ([0, 0, 1, 1], [0, 1, 0, 1]))
    scores = accuracy_score(target, prediction), balanced_accuracy_score(target, prediction), target.mean()
    found = readings.f1_readings(*scores)
    expected = {
        f"f1{suffix}": f1_score(target, prediction, average=average, zero_division=0)
        for suffix, average in (("", "binary"), ("_macro", "macro"), ("_weighted", "weighted"))
    }
    assert found == pytest.approx(expected, abs=1e-6)
    of_class = [recall_score(target, prediction, pos_label=label) for label in (1, 0)]
    assert readings.recalls(*scores) == pytest.approx(of_class)


def test_scores_that_no_confusion_matrix_has_give_no_reading() -> None:
    assert all(math.isnan(value) for value in readings.f1_readings(0.95, 0.6, 0.3).values())


def test_the_table_of_bi_lstm_cnn_prints_the_weighted_f1() -> None:
    """Xu, Table I: F1, WA, UA of six rows, 56 of 189 participants depressed."""
    rows = np.array(
        [
            (0.617, 0.5742, 0.5681),
            (0.642, 0.6185, 0.6106),
            (0.539, 0.5076, 0.5205),
            (0.563, 0.5217, 0.5298),
            (0.628, 0.5953, 0.5820),
            (0.692, 0.6938, 0.7071),
        ]
    )
    found = [readings.f1_readings(accuracy, ua, 56 / 189) for _, accuracy, ua in rows]
    off = {name: np.abs([row[name] for row in found] - rows[:, 0]) for name in found[0]}
    assert off["f1_weighted"].max() < 0.0255
    assert off["f1"].min() > 0.10
    assert (off["f1_weighted"] < off["f1_macro"]).all()


@pytest.mark.parametrize("counts", [(58, 17, 20, 55), (75, 0, 0, 75), (60, 15, 1, 74)])
def test_figures_of_a_confusion_matrix_lead_back_to_it(counts: tuple[int, ...]) -> None:
    target, prediction = (np.repeat(side, counts) for side in ([0, 0, 1, 1], [0, 1, 0, 1]))
    scores = {"accuracy": accuracy_score, "precision": precision_score, "recall": recall_score, "f1": f1_score}
    printed = {name: round(float(score(target, prediction)), 3) for name, score in scores.items()}
    found = readings.nearest_counts(printed, 75, 75)
    assert (found.tn, found.fp, found.fn, found.tp) == counts
    assert found.off <= 5e-4 + 1e-6


@pytest.mark.parametrize("name", ["svm", "visual", "audio", "both"])
def test_no_row_of_kumari_and_tiwari_has_counts_of_75_depressed_and_75_healthy(name: str) -> None:
    """Table 2, whose test set Table 1 gives."""
    printed = dict(zip(("accuracy", "precision", "recall", "f1"), table2.FIGURES[name], strict=True))
    assert readings.nearest_counts(printed, 75, 75).off > 3e-3
    # As shares of halves they fit each other: F1 is the harmonic mean, and accuracy is what precision and recall make it.
    accuracy, precision, recall, f1 = printed.values()
    assert 2 * precision * recall / (precision + recall) == pytest.approx(f1, abs=6e-4)
    assert (recall + 1 - recall * (1 / precision - 1)) / 2 == pytest.approx(accuracy, abs=2e-3)
