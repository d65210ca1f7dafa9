"""Batch statistics are each seed's own: the same under every mapper, on any number of devices, after a resume."""

import jax
import numpy as np
import pytest

from jaxdep import config

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.fixture(scope="module")
def expected(make_examples, norm_model, fit, quick_compilation):
    return fit(make_examples(), norm_model(dropout=0.3), count=4)


@pytest.mark.parametrize(
    "layout",
    [
        pytest.param({"mapper": "map", "devices": 2}, marks=pytest.mark.slow),
        {"resident_gb": 1e-12},
        pytest.param({"mapper": "loop"}, marks=pytest.mark.slow),
        pytest.param({"mapper": "pmap", "devices": 2}, marks=pytest.mark.slow),
    ],
    ids=str,
)
@pytest.mark.slow
def test_every_mapper_gives_the_same(layout, expected, make_examples, norm_model, fit, assert_same_seed):
    found = fit(make_examples(), norm_model(dropout=0.3), count=4, **layout)
    assert jax.tree.leaves(found.final.statistics)
    for seed in range(4):
        assert_same_seed(found, seed, expected, seed)


def test_a_seed_alone_has_the_statistics_that_it_has_among_others(
    expected, make_examples, norm_model, fit, assert_same_seed
):
    assert_same_seed(fit(make_examples(), norm_model(dropout=0.3), first=3), 0, expected, 3)
    means = expected.final.statistics["pooled"]["mean"]
    assert len({row.tobytes() for row in means}) == 4


@pytest.mark.parametrize("resident_gb", [0.0, pytest.param(1e-12, marks=pytest.mark.slow)])
@pytest.mark.slow
def test_devices_that_share_a_batch_normalise_over_all_of_it(
    resident_gb, make_examples, norm_model, fit, assert_same_seed
):
    """The last batch has rows that only fill it up, so that the devices' shares hold unequally many examples."""
    alone = fit(make_examples(), norm_model(), count=2)
    shared = fit(make_examples(), norm_model(), count=2, devices=4, data_shards=2, resident_gb=resident_gb)
    for seed in range(2):
        assert_same_seed(shared, seed, alone, seed)


def test_a_restored_seed_goes_on_with_its_statistics(make_examples, norm_model, make_ensemble):
    schedule = config.Training(epochs=4, batch_size=8, epochs_per_call=2)
    ensemble = make_ensemble(make_examples(), norm_model(), count=2, schedule=schedule)
    half, _ = ensemble.run(ensemble.init(), 0, 2)
    saved = ensemble.fetch(half)
    found = [ensemble.fetch(ensemble.run(start, 2, 2)[0]) for start in (half, ensemble.restore(saved))]
    jax.tree.map(np.testing.assert_array_equal, found[0].statistics, found[1].statistics)
    assert not np.array_equal(saved.statistics["frames"]["mean"], found[0].statistics["frames"]["mean"])
