"""As many seeds at a time as a device's memory holds."""

import math

import pytest

from jaxdep import config
from jaxdep.engine.choosing import Chooser
from jaxdep.engine.grouping import group_that_fits


def plans(fixed, each, broken_above=math.inf):
    """What a device needs with so many lanes at a time, and the sizes that were asked for."""
    asked = []

    def needs(group):
        asked.append(group)
        return fixed + each * group if group <= broken_above else math.inf

    return needs, asked


@pytest.mark.parametrize(
    ("lanes", "limit", "expected"),
    [
        (20, 1000.0, 20),  # all
        (1000, 700.0, 50),  # 60 would fit, 50 leave no rest
        (1009, 700.0, 60),  # a prime number: no group leaves no rest
        (1000, 105.0, 1),  # hardly one
        (1000, 50.0, 1),  # not even one
        (3, 125.0, 1),
    ],
)
def test_the_group_is_the_largest_within_the_limit(lanes, limit, expected):
    needs, asked = plans(fixed=100, each=10)
    found = group_that_fits(needs, lanes, limit)
    assert found == expected
    assert found == 1 or needs(found) <= limit
    assert len(asked) < 9


def test_a_plan_that_is_no_line_is_made_again():
    needs, _ = plans(fixed=100, each=10, broken_above=30)
    assert 8 <= group_that_fits(needs, 1000, 700.0) <= 30


def test_what_a_rest_needs_does_not_bend_the_line():
    fits, _ = plans(fixed=100, each=10)

    def needs(group):
        return fits(group) + (100 if 1000 % group else 0)

    assert group_that_fits(needs, 1000, 700.0) == 50


@pytest.mark.slow
def test_an_accelerator_takes_so_many_seeds_at_a_time_as_fit(make_examples, mean_model, make_ensemble, monkeypatch):
    """Here a CPU passes for one."""
    examples = make_examples(n=64)
    monkeypatch.setattr(Chooser, "_platform", "gpu")
    sizes = {}
    for group in (1, 8):
        sizes[group] = make_ensemble(examples, mean_model(), count=8, mapper="map", group=group).memory_bytes()
    assert sizes[1] < sizes[8]
    between = (sizes[1] + sizes[8]) / 2 / 0.9 / 1e9
    few = make_ensemble(examples, mean_model(), count=8, mapper="map", memory_gb=between)
    assert few.mapper.startswith("map")
    assert few.memory_bytes() < sizes[8]
    assert make_ensemble(examples, mean_model(), count=8, mapper="map", memory_gb=1.0).mapper == "map:8"


@pytest.mark.slow
def test_what_auto_times_there(make_examples, mean_model, make_ensemble, monkeypatch):
    monkeypatch.setattr(Chooser, "_platform", "gpu")
    monkeypatch.setattr("jaxdep.engine.choosing.ON_CHIP", 4)
    ensemble = make_ensemble(make_examples(), mean_model(), count=8, mapper="auto", memory_gb=1.0)
    assert list(ensemble.timings) == ["vmap", "map:4", "map", "loop"]


def test_a_group_that_is_named_stays(make_examples, mean_model, make_ensemble):
    assert make_ensemble(make_examples(), mean_model(), count=8, mapper="map", group=3).mapper == "map:3"
    assert config.Mapping().group == 0
    assert make_ensemble(make_examples(), mean_model(), count=8, mapper="map").mapper == "map"
