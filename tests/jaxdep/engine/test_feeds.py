"""Features that the host hands over batch by batch train the same as those that lie on the device."""

import dataclasses
import sys

import jax
import numpy as np
import pytest

from input_pipeline import streaming
from input_pipeline.config import ConfigError
from input_pipeline.streaming import stream
from jaxdep import config

pytestmark = pytest.mark.usefixtures("quick_compilation")

NOTHING = 1e-12  # no feature set fits into so many GB
DRAWN = config.Splits(validation=(), validation_fraction=0.3)
WITHOUT_VALIDATION = config.Splits(validation=())
ONE_ORDER = ("init", "dropout")


def compare(found, expected, assert_same_seed):
    assert found.ensemble.streams
    assert not expected.ensemble.streams
    for index in range(len(found.ensemble.lanes)):
        assert_same_seed(found, index, expected, index)


CASES = {
    "buckets and windows": ({"buckets": 2, "windows": 2}, {}),
    "drawn splits, seeds that do not divide": (
        {"buckets": 2, "windows": 2},
        {"splits": DRAWN, "devices": 2, "count": 3},
    ),
    "seeds that do not divide": ({}, {"devices": 2, "count": 3}),
    "one order for all": ({}, {"vary": ONE_ORDER, "devices": 2, "count": 3}),
    "no validation": ({}, {"splits": WITHOUT_VALIDATION}),
    "shared batches": ({}, {"devices": 4, "data_shards": 2}),
    "map, seeds that do not divide": ({}, {"mapper": "map", "devices": 2, "count": 3}),
    "loop": ({}, {"mapper": "loop", "devices": 2}),
}


SLOW = set(CASES) - {"drawn splits, seeds that do not divide"}  # which has the most of what can go wrong
CASES_MARKED = [pytest.param(case, marks=[pytest.mark.slow] if case in SLOW else []) for case in CASES]


@pytest.mark.parametrize("case", CASES_MARKED)
def test_streamed_training_is_the_resident_one(case, make_examples, mean_model, fit, assert_same_seed):
    shape, options = CASES[case]
    examples = make_examples(**shape)
    options = {"count": 2, **options}
    found = fit(examples, mean_model(dropout=0.3), resident_gb=NOTHING, **options)
    compare(found, fit(examples, mean_model(dropout=0.3), **options), assert_same_seed)


@pytest.mark.slow
def test_seeds_that_stop_early(make_examples, mean_model, fit, assert_same_seed):
    """Most seeds stop while others train on, so that packed lanes are streamed too."""
    schedule = config.Training(epochs=12, batch_size=8, epochs_per_call=2, patience=2)
    options = {"count": 6, "schedule": schedule, "optimizer": config.Optimizer(learning_rate=0.1)}
    model, examples = mean_model(dropout=0.3), make_examples()
    runs = [fit(examples, model, epochs=2, resident_gb=gb, **options) for gb in (NOTHING, 0.0)]
    for run in runs:
        states, history = run.states, [run.history]
        for first in range(2, 12, 2):
            states, rows = run.ensemble.run(states, first, 2)
            history.append(rows)
        run.states = states
        run.history = {name: np.concatenate([rows[name] for rows in history], axis=1) for name in rows}
    compare(*runs, assert_same_seed)
    ended = np.isnan(runs[0].history["train/loss"]).sum(1)
    assert len(set(ended)) > 1


def test_features_beyond_the_limit_are_streamed_and_others_not(make_examples, make_ensemble, mean_model):
    examples = make_examples()
    size_gb = sum(padded.values.nbytes + padded.mask.nbytes for padded in examples.buckets[0].features.values()) / 1e9
    assert not make_ensemble(examples, mean_model(), resident_gb=1.01 * size_gb).streams
    assert make_ensemble(examples, mean_model(), resident_gb=0.99 * size_gb).streams


def test_a_stream_keeps_the_order_and_its_end():
    def gather(step):
        return [np.full((2, step + 1), step, np.float32), np.ones(step + 1, bool)]

    found = list(stream(gather, 20, ["float32", "bool"]))
    assert [int(values[0, 0]) for values, _ in found] == list(range(20))
    assert [len(mask) for _, mask in found] == list(range(1, 21))
    assert list(stream(gather, 0, ["float32", "bool"])) == []


def test_a_stream_that_is_over_or_broken_off_is_forgotten():
    for broken_off in (False, True):
        batches = stream(lambda step: [np.zeros(step + 1, np.float32)], 5, ["float32"])
        next(batches)
        assert len(streaming._GATHERS) == 1
        if broken_off:
            batches.close()
        else:
            list(batches)
        assert not streaming._GATHERS


@pytest.mark.slow
def test_further_streamed_epochs_compile_nothing(make_examples, mean_model, make_ensemble):
    compiled = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, seconds, **_: compiled.append(event) if event.endswith("backend_compile_duration") else None
    )
    ensemble = make_ensemble(make_examples(buckets=2), mean_model(), count=3, resident_gb=NOTHING)
    states, _ = ensemble.run(ensemble.init(), 0, 3)
    states, _ = ensemble.run(states, 3, 2)
    assert compiled
    compiled.clear()
    for first, count in ((5, 3), (8, 2)):
        states, _ = ensemble.run(states, first, count)
    assert compiled == []


def test_without_tensorflow_streaming_is_one_line(monkeypatch, make_examples, mean_model, make_ensemble):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ConfigError, match=r"config\.mapping\.resident_gb: .*TensorFlow.*not installed"):
        make_ensemble(make_examples(), mean_model(), resident_gb=NOTHING)


def test_a_negative_limit_is_refused():
    with pytest.raises(ConfigError, match=r"resident_gb: a number of 0 or more, found -1"):
        dataclasses.replace(config.Mapping(), resident_gb=-1.0).check()
