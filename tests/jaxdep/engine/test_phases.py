"""Parts of a model that stand still in some epochs."""

import jax
import numpy as np
import optax
import pytest

from input_pipeline.config import ConfigError
from jaxdep import config
from jaxdep.engine.phases import by_parts, held

pytestmark = pytest.mark.usefixtures("quick_compilation")


def schedule(*frozen, epochs=4):
    return config.Training(epochs=epochs, batch_size=8, epochs_per_call=4, frozen=frozen)


def fitted(make_ensemble, examples, model, training, **options):
    """After the calls that a stage would make; with the states at the border of each call."""
    ensemble = make_ensemble(examples, model, schedule=training, **options)
    states, epoch, seen = ensemble.init(), 0, []
    seen.append(ensemble.fetch(states))
    while epoch < training.epochs:
        after = training.call_after(epoch)
        states, _ = ensemble.run(states, epoch, after - epoch, training.frozen_in(epoch))
        seen.append(ensemble.fetch(states))
        epoch = after
    return ensemble, seen


def equal(left, right):
    return all(np.array_equal(x, y) for x, y in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True))


@pytest.mark.parametrize(
    "options",
    [
        {"mapper": "vmap"},
        pytest.param({"mapper": "map"}, marks=pytest.mark.slow),
        pytest.param({"mapper": "vmap", "resident_gb": 1e-9}, marks=pytest.mark.slow),
    ],
)
def test_a_part_stands_still_until_its_epoch_and_the_rest_learns(options, make_examples, norm_model, make_ensemble):
    training = schedule(config.Frozen("frames", until=2), config.Frozen("hidden", until=2))
    decaying = config.Optimizer(name="adamw", learning_rate=0.01, weight_decay=0.1)  # which moves what has no gradient
    ensemble, (start, middle, end) = fitted(
        make_ensemble, make_examples(), norm_model(), training, count=2, optimizer=decaying, **options
    )
    for part in ("frames", "hidden"):
        assert equal(start.params[part], middle.params[part])
        assert not equal(middle.params[part], end.params[part])
    assert equal(start.statistics["frames"], middle.statistics["frames"])
    assert not equal(middle.statistics["frames"], end.statistics["frames"])
    for part in ("heads", "pooled"):
        assert not equal(start.params[part], middle.params[part])
    assert not equal(start.statistics["pooled"], middle.statistics["pooled"])
    assert len(ensemble.trainers) == 2  # one program a phase


@pytest.mark.slow
def test_a_part_can_stand_still_from_an_epoch_on(make_examples, norm_model, make_ensemble):
    _, (start, middle, end) = fitted(
        make_ensemble, make_examples(), norm_model(), schedule(config.Frozen("heads", first=3))
    )
    assert not equal(start.params["heads"], middle.params["heads"])
    assert equal(middle.params["heads"], end.params["heads"])
    assert not equal(middle.params["hidden"], end.params["hidden"])


@pytest.mark.slow
def test_seed_1_alone_is_seed_1_of_three_across_phases(make_examples, norm_model, make_ensemble):
    training = schedule(config.Frozen("hidden", until=2))
    _, many = fitted(make_ensemble, make_examples(), norm_model(dropout=0.1), training, count=3)
    _, one = fitted(make_ensemble, make_examples(), norm_model(dropout=0.1), training, count=1, first=1)
    jax.tree.map(
        lambda x, y: np.testing.assert_allclose(x[1], y[0], rtol=0, atol=1e-5), many[-1].params, one[-1].params
    )


def test_a_part_that_is_thawed_takes_the_steps_of_a_young_optimiser():
    """With one count of steps for all, Adam's first step of a late part would be three times too long."""
    params = {"early": np.ones(3, np.float32), "late": np.ones(3, np.float32)}
    gradient = {"early": np.full(3, 0.1, np.float32), "late": np.full(3, 0.1, np.float32)}
    still = {"early": gradient["early"], "late": np.zeros(3, np.float32)}
    transform = by_parts(optax.adam(0.01), ["late"])
    state = transform.init(params)
    for _ in range(500):
        _, after = transform.update(still, state, params)
        state = held(after, state, ["late"])
    updates, _ = transform.update(gradient, state, params)
    np.testing.assert_allclose(updates["late"], -0.01, rtol=1e-3)
    np.testing.assert_allclose(updates["early"], -0.01, rtol=1e-3)


def test_no_call_reaches_over_the_border_of_a_phase():
    training = schedule(config.Frozen("a", until=3), config.Frozen("b", first=5), epochs=9)
    calls, epoch = [], 0
    while epoch < training.epochs:
        calls.append((epoch, training.call_after(epoch), training.frozen_in(epoch)))
        epoch = calls[-1][1]
    assert calls == [(0, 3, ("a",)), (3, 5, ()), (5, 9, ("b",))]


def test_a_part_that_the_model_lacks_is_named(make_examples, norm_model, make_ensemble):
    with pytest.raises(ConfigError, match=r"training\.frozen: the model has no part 'image'; .*frames, heads, hidden"):
        make_ensemble(make_examples(), norm_model(), schedule=schedule(config.Frozen("image"))).init()


def test_parts_that_lie_in_each_other_are_refused():
    with pytest.raises(ConfigError, match=r"frozen: 'a\.b' lies in 'a'"):
        schedule(config.Frozen("a"), config.Frozen("a.b")).check()
