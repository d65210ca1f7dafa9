"""Where a CPU has more cores than there are seeds, it is timed whether they share the batches; else nothing is."""

import jax
import numpy as np
import pytest

from jaxdep import config
from jaxdep.engine import sharing
from jaxdep.engine.choices import Choices, Timing
from jaxdep.engine.choosing import Chooser
from jaxdep.engine.ensemble import Ensemble
from jaxdep.engine.resident import Viewer

DEVICES = jax.devices()


class Made:
    """An ensemble of that many shares, whose epochs last as long as told."""

    def __init__(self, shards, devices, epochs, remembered):
        self.shards, self.devices, self.epoch_s = shards, devices, epochs[shards]
        self.remembered, self.mapper = remembered, f"map/{shards}"
        self.timings = {f"map/{shards}": Timing(1.0, self.epoch_s)}


def quickest(mapping=None, lanes=1, batch_size=8, devices=DEVICES, remembered=None, seconds=None):
    """What is chosen, and of how many shares ensembles were made; the more the quicker, unless told."""
    seconds, made = seconds or {shards: 1 / shards for shards in range(1, 9)}, []

    def make(mapping, devices, remembered):
        made.append(Made(mapping.data_shards, devices, seconds, remembered))
        return made[-1]

    mapping = mapping or config.Mapping()
    best = sharing.quickest(make, mapping, devices, lanes=lanes, batch_size=batch_size, remembered=remembered)
    return best, [one.shards for one in made]


@pytest.mark.parametrize(
    ("lanes", "batch_size", "expected"),
    [
        (1, 8, [1, 8]),
        (2, 8, [1, 4]),
        (3, 8, [1, 2]),
        (5, 8, [1]),
        (20, 8, [1]),
        (1, 12, [1, 6]),
        (1, 7, [1, 7]),
        (1, 1, [1]),
    ],
)
def test_as_many_devices_share_a_batch_as_each_lane_may_have_and_as_it_divides_among(lanes, batch_size, expected):
    _, tried = quickest(lanes=lanes, batch_size=batch_size)
    assert tried == expected


@pytest.mark.parametrize(("seconds", "expected"), [({1: 2.0, 4: 1.0}, 4), ({1: 1.0, 4: 2.0}, 1)])
def test_the_quicker_one_is_kept_on_the_devices_that_it_uses(seconds, expected):
    best, made = quickest(lanes=2, seconds=seconds)
    assert (best.shards, list(best.devices)) == (expected, DEVICES[: 2 * expected])
    assert best.timings == {f"map/{shards}": Timing(1.0, epoch_s) for shards, epoch_s in seconds.items()}
    assert made == ([1, 4] if expected == 4 else [1, 4, 1])  # one at a time is there; it is not measured again
    assert best.remembered == (None if expected == 4 else "map/1")


@pytest.mark.parametrize(("remembered", "expected"), [("map/8", [8]), ("loop", [1]), ("map/3", [1, 8]), (None, [1, 8])])
def test_a_run_that_goes_on_keeps_its_shards_where_it_has_the_devices(remembered, expected):
    assert quickest(remembered=remembered)[1] == expected


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [(config.Mapping(data_shards=2), [2]), (config.Mapping(data_shards=1), [1]), (config.Mapping(mapper="map"), [1])],
)
def test_what_is_named_is_not_timed(mapping, expected):
    assert quickest(mapping)[1] == expected


def test_on_an_accelerator_nothing_is_shared_unasked():
    class Device:
        platform = "gpu"

    assert quickest(devices=[Device()] * 8)[1] == [1]


@pytest.mark.slow
def test_a_seed_whose_batches_are_shared_by_choice_is_the_same_seed(
    make_examples, mean_model, make_program, fit, quick_compilation, tmp_path, monkeypatch
):
    """And what was chosen is found again in the memory of choices, and in the run's own."""
    examples, tasks = make_examples(), {"depressed": config.Task()}
    viewer, measured = Viewer(examples, tasks, config.Splits()), []
    measure = Chooser._quickest
    monkeypatch.setattr(Chooser, "_quickest", lambda *args: measured.append(1) or measure(*args))

    def chosen(remembered=None, choices=None):
        def make(mapping, devices, remembered):
            program = make_program(examples, mean_model(dropout=0.3), data_shards=mapping.data_shards)
            seeds, kept = config.Seeds(count=1), {"choices": choices, "remembered": remembered}
            return Ensemble(program, viewer, seeds, mapping, devices=devices, **kept)

        return sharing.quickest(make, config.Mapping(), DEVICES[:2], lanes=1, batch_size=8, remembered=remembered)

    first = chosen(choices=Choices(tmp_path))
    assert set(first.timings) == {"map", "loop", "map/2"}
    assert len(measured) == 2
    assert chosen(choices=Choices(tmp_path)).mapper == first.mapper
    shared = chosen(remembered="map/2")
    assert (shared.mapper, len(measured)) == ("map/2", 2)
    states, _ = shared.run(shared.init(), 0, 3)
    expected = fit(examples, mean_model(dropout=0.3))
    found = shared.predict(states, "test")["depressed"].units
    np.testing.assert_allclose(found, expected.test_predictions, atol=1e-5)
