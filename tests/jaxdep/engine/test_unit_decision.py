"""What the windows of a recording decide on it: their mean, or their vote, held against the fusion of stages by vote."""

import jax.numpy as jnp
import numpy as np
import pytest

from input_pipeline.config import ConfigError
from jaxdep.config import Task
from jaxdep.engine import evaluation
from jaxdep.engine.resident import Part
from jaxdep.losses import Huber
from jaxdep.statistics import fusion, metrics

SIZES = (1, 2, 5, 4)


def decided(logits, rule):
    """The decisions on recordings of `SIZES` windows, dealt out in two buckets with two rows that fill up each."""
    units = np.repeat(np.arange(len(SIZES)), SIZES)
    dealt = [np.arange(bucket, len(units), 2) for bucket in (0, 1)]
    part = Part(
        positions=tuple(jnp.asarray(np.pad(rows, (0, 2))) for rows in dealt),
        valid=tuple(jnp.asarray(np.arange(len(rows) + 2) < len(rows)) for rows in dealt),
        units=tuple(jnp.asarray(np.pad(units[rows], (0, 2))) for rows in dealt),
        targets={"t": jnp.zeros(len(SIZES), int)},
    )
    given = jnp.concatenate(
        [jnp.pad(jnp.asarray(logits[rows]), [(0, 2), (0, 0)], constant_values=9.0) for rows in dealt]
    )
    return np.asarray(evaluation.decisions({"t": Task(unit_decision=rule)}, {"t": given}, part)["t"].units)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_vote_is_the_one_by_which_stages_are_fused(n_classes):
    differ = 0
    for draw in range(20):
        logits = np.random.default_rng(draw).normal(size=(sum(SIZES), n_classes)).astype(np.float32) * 3
        probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        by_recording = np.split(probabilities, np.cumsum(SIZES)[:-1])
        votes, means = decided(logits, "vote"), decided(logits, "mean")
        nothing = fusion.Validation(np.zeros((1, 0, n_classes)), np.zeros(0, int), np.zeros(1))
        expected = [fusion.combine("vote", windows[:, None], nothing)[0] for windows in by_recording]
        np.testing.assert_allclose(votes, expected, atol=1e-6)
        np.testing.assert_allclose(means, [windows.mean(0) for windows in by_recording], atol=1e-6)
        chosen = metrics.predicted_class(jnp.asarray(votes))
        for windows, found in zip(by_recording, chosen, strict=True):
            ballots = np.bincount(windows.argmax(1), minlength=n_classes)
            assert ballots[found] == ballots.max()
        differ += int((chosen != metrics.predicted_class(jnp.asarray(means))).sum())
    assert differ  # else nothing tells a vote from a mean


def test_scores_do_not_vote():
    with pytest.raises(ConfigError, match="unit_decision: a score has no classes to vote for"):
        Task(loss=Huber(), unit_decision="vote").freeze()
