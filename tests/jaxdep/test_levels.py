"""Classes that are made of a score: which, what they are called, and what cannot be made."""

import dataclasses

import numpy as np
import pytest

from input_pipeline.batching import Arrangement
from input_pipeline.config import ConfigError
from input_pipeline.features import LogMel
from jaxdep import config
from jaxdep.config import Levels
from jaxdep.experiment.data import declared
from jaxdep.stages.sources import with_levels
from jaxdep.statistics import metrics

DATA = config.Data(features={"audio": LogMel()}, arrangements={"audio": Arrangement(level="frames")})


def test_levels_are_equal_parts_that_hold_their_lower_ends():
    levels = Levels(of="arousal", lowest=-1.0, highest=1.0, count=10)
    assert levels.classes == ("-0.9", "-0.7", "-0.5", "-0.3", "-0.1", "0.1", "0.3", "0.5", "0.7", "0.9")
    scores = np.array([-1, -0.81, -0.8, -0.0001, 0, 0.1 + 0.2 - 0.1, 0.6, 0.999, 1, 7, -7, np.nan])
    assert levels.level_of(scores).tolist() == [0, 0, 1, 4, 5, 6, 8, 9, 9, 9, 0, -1]
    middles = np.array([float(name) for name in levels.classes])
    assert levels.level_of(middles).tolist() == list(range(10))


@pytest.mark.parametrize(("highest", "last"), [(24.5, 24), (23.5, 23)])
def test_scores_of_a_questionnaire_are_their_own_levels(highest, last):
    levels = Levels(of="phq8_score", lowest=-0.5, highest=highest, count=last + 1)
    assert levels.classes == tuple(map(str, range(last + 1)))
    assert levels.level_of(np.arange(25.0)).tolist() == [*range(last + 1), *[last] * (24 - last)]
    assert {"pearson", "rmse", "rmse_one_hot"} <= set(metrics.names(levels.classes))


def test_examples_have_them_as_labels(make_examples):
    examples = make_examples(n=8)
    examples.labels["score"][3] = np.nan
    levels = Levels(of="score", lowest=-2.0, highest=2.0, count=4)
    found = with_levels(examples, {"level": levels, "other": Levels(of="gone")})
    assert found.classes == {**examples.classes, "level": ("-1.5", "-0.5", "0.5", "1.5")}
    assert found.labels["level"][3] == -1
    inside = np.clip(np.floor(examples.labels["score"]) + 2, 0, 3)
    known = np.arange(8) != 3
    np.testing.assert_array_equal(found.labels["level"][known], inside[known])


@pytest.mark.parametrize(
    ("levels", "line"),
    [
        (
            {"severity": Levels(of="phq9")},
            "data.levels.severity.of: daic_woz has no score 'phq9'; its scores are phq8_sc",
        ),
        ({"depressed": Levels(of="phq8_score")}, "data.levels: daic_woz has a label 'depressed' of its own; call"),
    ],
)
def test_what_the_corpus_has_not(levels, line):
    with pytest.raises(ConfigError) as refused:
        declared(dataclasses.replace(DATA, levels=levels))
    assert str(refused.value).startswith(line)


@pytest.mark.parametrize(
    ("levels", "line"),
    [
        (Levels(of="x", count=1), "count: two levels or more, found 1"),
        (Levels(of="x", lowest=1.0), "highest: a number above lowest, 1.0, found 1.0"),
    ],
)
def test_what_are_no_levels(levels, line):
    with pytest.raises(ConfigError) as refused:
        levels.check()
    assert str(refused.value) == line
