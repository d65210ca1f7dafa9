"""The learning rate by epoch, and several batches to a step; PyTorch's schedulers are in tests/parity."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxdep.config import Constant, Cosine, Newbob, Optimizer, StepDecay, Task, Training
from jaxdep.engine.checkpoints import Checkpoints
from jaxdep.engine.program import Best, SeedState
from jaxdep.engine.schedule import judged, kept, make_transform

pytestmark = pytest.mark.usefixtures("quick_compilation")

NOTHING_GB = 1e-12  # no feature set fits
SCALE = "train/learning_rate_scale"


def factors(schedule, epochs):
    return [float(schedule.scale(jnp.int32(epoch), epochs)) for epoch in range(epochs)]


def test_a_warm_up_rises_in_equal_steps_and_the_rest_is_the_schedules_own():
    np.testing.assert_allclose(factors(Constant(warmup_epochs=3), 6), [0.25, 0.5, 0.75, 1, 1, 1])
    np.testing.assert_allclose(factors(StepDecay(every=2, warmup_epochs=1), 6), [0.5, 1, 1, 0.1, 0.1, 0.01], rtol=1e-6)
    np.testing.assert_allclose(factors(Cosine(floor=0.2), 4), 0.6 + 0.4 * np.cos(np.pi * np.arange(4) / 4), rtol=1e-6)


def test_training_may_end_within_the_warm_up():
    np.testing.assert_allclose(factors(Cosine(warmup_epochs=4), 2), [0.2, 0.4], rtol=1e-6)


@pytest.mark.parametrize("gb", [0.0, NOTHING_GB], ids=["resident", "streamed"])
def test_a_schedule_multiplies_what_a_plateau_leaves(gb, make_examples, make_ensemble):
    schedule = Training(epochs=8, batch_size=8, epochs_per_call=4, plateau_patience=1, schedule=Cosine(warmup_epochs=2))
    ensemble = make_ensemble(
        make_examples(), count=2, optimizer=Optimizer(learning_rate=0.5), schedule=schedule, resident_gb=gb
    )
    states, first = ensemble.run(ensemble.init(), 0, 4)
    states, second = ensemble.run(states, 4, 4)
    rows = {name: np.concatenate([first[name], second[name]], axis=1) for name in first}
    for losses, scales in zip(rows["validation/loss"], rows[SCALE], strict=True):
        best, left, expected = np.inf, 1.0, []
        for loss, factor in zip(losses, factors(schedule.schedule, 8), strict=True):
            expected.append(left * factor)
            left, best = (left, loss) if loss < best else (left / 2, best)
        np.testing.assert_allclose(scales, expected, rtol=1e-6)
    assert rows[SCALE][:, -1].min() < factors(schedule.schedule, 8)[-1]  # there was a plateau


def newbob_by_hand(scores, schedule):
    """As the code TSB-TAB steps: of each epoch the rate behind it, and the epoch whose state the next one begins with."""
    best, rate, ramp, kept_epoch, found = 0.0, 1.0, False, 0, []
    for epoch, score in enumerate(scores, 1):
        gain = score - best
        if gain > 0:
            best, kept_epoch = score, epoch
        if ramp:
            rate *= schedule.factor
        elif gain < schedule.threshold:
            rate *= schedule.factor
            ramp = epoch >= schedule.ramp_from > 0
        found.append((rate, kept_epoch if schedule.goes_back else epoch))
    return found


@pytest.mark.parametrize(
    "schedule", [Newbob(ramp_from=5), Newbob(threshold=0.05, factor=0.1, ramp_from=0), Newbob(goes_back=False)]
)
def test_newbob_steps_as_the_cited_code_does(schedule):
    """Accuracies, which the engine hands over negated; each epoch's parameters and moments are its number."""
    training = Training(schedule=schedule)
    zero, number = jnp.int32(0), lambda epoch: {"w": jnp.float32(epoch)}
    best = Best(number(0), {}, jnp.int32(-1), jnp.float32(jnp.inf))
    opt_state = kept(number(0), training)
    state = SeedState(number(0), {}, opt_state, jnp.float32(1), best, zero, zero, jnp.bool_(False), jnp.bool_(False))
    scores = [0.5, 0.5005, 0.5, 0.6, 0.62, 0.62, 0.7, 0.75, 0.74]
    for epoch, (score, expected) in enumerate(zip(scores, newbob_by_hand(scores, schedule), strict=True), 1):
        learned = number(epoch)
        moments = opt_state._replace(now=learned) if schedule.goes_back else learned
        state = judged(
            state._replace(params=learned, opt_state=moments), jnp.float32(-score), jnp.int32(epoch - 1), training
        )
        opt_state = state.opt_state
        now = opt_state.now if schedule.goes_back else opt_state
        np.testing.assert_allclose(state.learning_rate_scale, expected[0], rtol=1e-6)
        assert (int(state.params["w"]), int(now["w"])) == (expected[1], expected[1])
    assert int(state.best.epoch) == 7


@pytest.mark.parametrize("select", ["best", pytest.param("last", marks=pytest.mark.slow)])
@pytest.mark.parametrize("gb", [0.0, pytest.param(NOTHING_GB, marks=pytest.mark.slow)], ids=["resident", "streamed"])
def test_under_newbob_each_seed_goes_back_to_its_own_best_epoch(gb, select, make_examples, make_ensemble, tmp_path):
    goes_back = Newbob(threshold=0.01, ramp_from=3)
    schedule = Training(epochs=6, batch_size=8, epochs_per_call=3, schedule=goes_back, select=select)
    ensemble = make_ensemble(
        make_examples(), count=3, optimizer=Optimizer(learning_rate=0.5), schedule=schedule, resident_gb=gb
    )
    states, first = ensemble.run(ensemble.init(), 0, 3)
    with Checkpoints(tmp_path / "checkpoints", 0) as checkpoints:
        checkpoints.save(3, ensemble.fetch(states), first)
    with Checkpoints(tmp_path / "checkpoints", 0) as checkpoints:
        _, saved, _ = checkpoints.restore(ensemble.abstract_states, first)
    states, second = ensemble.run(ensemble.restore(saved), 3, 3)
    rows, states = {name: np.concatenate([first[name], second[name]], axis=1) for name in first}, ensemble.fetch(states)
    back = 0
    for seed, losses in enumerate(rows["validation/loss"]):
        expected = [1.0, *(rate for rate, _ in newbob_by_hand(1e3 - losses.astype(np.float64), schedule.schedule))]
        np.testing.assert_allclose(rows[SCALE][seed], expected[:-1], rtol=1e-6)
        back += int(states.best.epoch[seed]) < 5
    assert back  # else nothing was undone
    jax.tree.map(np.testing.assert_array_equal, states.params, states.best.params)
    jax.tree.map(np.testing.assert_array_equal, states.opt_state.now, states.opt_state.best)


@pytest.mark.slow
def test_what_the_history_says_is_the_rate_that_was_applied(make_examples, mean_model, fit):
    """By stochastic gradient descent the first epoch's one step is proportional to the rate."""
    moved = {}
    for warmup in (0, 1):
        schedule = Training(epochs=1, batch_size=32, epochs_per_call=1, select="last")
        schedule.schedule = Constant(warmup_epochs=warmup)
        options = {"optimizer": Optimizer(name="sgd", learning_rate=0.1), "schedule": schedule}
        run = fit(make_examples(), mean_model(), epochs=1, **options)
        before = run.ensemble.fetch(run.ensemble.init()).params["heads"]["depressed"]["kernel"]
        moved[warmup] = run.final.params["heads"]["depressed"]["kernel"] - before
        assert run.history[SCALE].tolist() == [[1 / (1 + warmup)]]
    np.testing.assert_allclose(moved[1], moved[0] / 2, atol=1e-7)
    assert np.abs(moved[0]).max() > 1e-3


@pytest.mark.parametrize("name", ["adam", pytest.param("sgd", marks=pytest.mark.slow)])
def test_batches_that_are_accumulated_step_as_one(name, make_examples, mean_model, fit, assert_same_seed):
    """20 examples of one bucket: two batches of 5 hold those of one of 10."""
    tasks, found = {"depressed": Task(class_weights="equal")}, []
    for size, accumulate in ((5, 2), (10, 1)):
        optimizer = Optimizer(name=name, learning_rate=0.1, clip_norm=0.3, weight_decay=0.01, accumulate=accumulate)
        schedule = Training(epochs=3, batch_size=size, epochs_per_call=3, schedule=StepDecay(every=1, factor=0.5))
        run = fit(make_examples(), mean_model(), tasks=tasks, optimizer=optimizer, schedule=schedule)
        found.append(run)
    np.testing.assert_array_equal(found[0].history[SCALE], found[1].history[SCALE])
    del found[0].history["train/loss"], found[1].history["train/loss"]  # a batch's is that before its step
    assert_same_seed(found[0], 0, found[1], 0)


# Four batches an epoch: one of them is left over, and goes on in the next.
OVER_EPOCHS = {
    "optimizer": Optimizer(learning_rate=0.05, accumulate=3),
    "schedule": Training(epochs=4, batch_size=6, epochs_per_call=4, schedule=Cosine(warmup_epochs=1)),
}


def test_what_an_epoch_leaves_over_goes_on_in_the_next(make_examples, mean_model, fit):
    run = fit(make_examples(), mean_model(), epochs=4, **OVER_EPOCHS)
    (state,) = [
        state for state in jax.tree.leaves(run.final.opt_state, is_leaf=is_accumulator) if is_accumulator(state)
    ]
    assert (state.gradient_step.tolist(), state.mini_step.tolist()) == ([16 // 3], [16 % 3])


def is_accumulator(state):
    return isinstance(state, optax.MultiStepsState)


@pytest.mark.slow
def test_one_seed_alone_is_that_seed_of_many(make_examples, mean_model, fit, assert_same_seed):
    options = {"epochs": 4, "examples": make_examples(), "model": mean_model(dropout=0.3), **OVER_EPOCHS}
    alone = fit(first=7, count=1, mapper="map", **options)
    assert_same_seed(alone, 0, fit(count=9, mapper="vmap", **options), 7)


@pytest.mark.slow
def test_one_seed_alone_is_that_seed_of_many_by_any_way(make_examples, mean_model, fit, assert_same_seed):
    options = {"epochs": 4, "examples": make_examples(buckets=2), "model": mean_model(dropout=0.3), **OVER_EPOCHS}
    alone = fit(first=7, count=1, mapper="loop", **options)
    assert_same_seed(alone, 0, fit(count=9, mapper="pmap", devices=2, **options), 7)
    assert_same_seed(alone, 0, fit(first=7, count=1, resident_gb=NOTHING_GB, **options), 0)


@pytest.mark.slow
def test_devices_that_share_batches_accumulate_as_one_does(make_examples, mean_model, fit, assert_same_seed):
    options = {"epochs": 4, "examples": make_examples(), "model": mean_model(), **OVER_EPOCHS}
    assert_same_seed(fit(devices=2, data_shards=2, **options), 0, fit(**options), 0)


def test_a_run_that_is_resumed_amid_an_accumulation_ends_with_the_same_bytes(
    make_examples, mean_model, make_ensemble, tmp_path
):
    ensemble = make_ensemble(make_examples(), mean_model(dropout=0.3), count=2, **OVER_EPOCHS)
    states, first = ensemble.run(ensemble.init(), 0, 1)
    with Checkpoints(tmp_path / "checkpoints", 0) as checkpoints:
        checkpoints.save(1, ensemble.fetch(states), first)
    expected = ensemble.fetch(ensemble.run(states, 1, 3)[0])
    with Checkpoints(tmp_path / "checkpoints", 0) as checkpoints:
        _, saved, _ = checkpoints.restore(ensemble.abstract_states, first)
    found = ensemble.fetch(ensemble.run(ensemble.restore(saved), 1, 3)[0])
    jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_one_batch_a_step_keeps_the_state_of_old_checkpoints():
    params = {"w": jnp.zeros(2)}
    found, expected = make_transform(Optimizer()).init(params), optax.chain(optax.adam(1e-3)).init(params)
    assert jax.tree.structure(found) == jax.tree.structure(expected)


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("name", ["adam", "adamw", "sgd", "rmsprop"])
def test_numbers_of_the_optimiser_may_differ_by_seed(name, accumulate):
    """As where seeds differ by a hyperparameter; a weight decay of 0 is one of the values."""
    params, gradient = {"w": jnp.array([2.0, -1.0])}, {"w": jnp.array([0.3, 0.1])}
    rates, decays = jnp.array([0.1, 0.02]), jnp.array([0.5, 0.0])

    def moved(rate, decay):
        config = Optimizer(name=name, learning_rate=rate, weight_decay=decay, accumulate=accumulate)
        transform = make_transform(config)
        state = transform.init(params)
        for _ in range(2):
            updates, state = transform.update(gradient, state, params)
        return updates["w"]

    found = jax.jit(jax.vmap(moved))(rates, decays)
    expected = [moved(float(rate), float(decay)) for rate, decay in zip(rates, decays, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-8)
    assert np.abs(found).min() > 0
