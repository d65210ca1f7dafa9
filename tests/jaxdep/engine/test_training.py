"""One seed's training: padding, best epoch, early stopping, the learning rate, divergence."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from input_pipeline.config import ConfigError
from jaxdep import config
from jaxdep.engine.schedule import make_transform
from jaxdep.losses import Huber
from jaxdep.models.emotion_transfer import DirectText

pytestmark = pytest.mark.usefixtures("quick_compilation")

UNTIL_STOPPED = config.Training(
    epochs=14,
    batch_size=8,
    epochs_per_call=1,
    patience=4,
    plateau_patience=2,
    plateau_factor=0.5,
    plateau_floor=0.2,
)


def kernel(params):
    return params["heads"]["depressed"]["kernel"]


@pytest.mark.slow
def test_more_padding_gives_the_same_training(make_examples, pad_more, fit, assert_same_seed, quick_compilation):
    model = DirectText(feature="audio", hidden=4, dropout=0.3)
    examples = make_examples()
    assert_same_seed(fit(pad_more(examples, 3), model), 0, fit(examples, model), 0)


def test_number_of_buckets_does_not_change_the_predictions_of_a_state(make_examples, make_program, one_seed):
    found = []
    for buckets in (1, 3):
        examples = make_examples(buckets=buckets, windows=2)
        program = make_program(examples, DirectText(feature="audio", hidden=4))
        seed, resident, _ = one_seed(examples, seed=3)
        found.append(
            program.predict(program.init(seed=seed), seed=seed, resident=resident, part="test")["depressed"].units
        )
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)


@pytest.fixture(scope="module")
def epochs(make_examples, make_ensemble, quick_compilation):
    """The states after every epoch, and the history, of eight seeds that overshoot."""
    optimizer = config.Optimizer(learning_rate=0.3)
    ensemble = make_ensemble(make_examples(), count=8, optimizer=optimizer, schedule=UNTIL_STOPPED)
    states, rows, after = ensemble.init(), [], []
    for epoch in range(UNTIL_STOPPED.epochs):
        states, history = ensemble.run(states, epoch, 1)
        rows.append(history)
        after.append(ensemble.fetch(states))
    history = {name: np.concatenate([row[name] for row in rows], axis=1) for name in rows[0]}
    return after, history, ensemble.predict(states, "test")["depressed"].units


def followed_by_hand(losses):
    """Best epoch, last epoch and the learning-rate scales that the rules give for a seed's validation losses."""
    best, best_epoch, waited, plateau, scale, scales = np.inf, -1, 0, 0, 1.0, []
    for epoch, loss in enumerate(losses):
        scales.append(scale)
        if loss < best:
            best, best_epoch, waited, plateau = loss, epoch, 0, 0
        else:
            waited, plateau = waited + 1, plateau + 1
        if plateau == 2:
            scale, plateau = max(scale * 0.5, 0.2), 0
        if waited == 4:
            break
    return best_epoch, epoch, scales


@pytest.mark.slow
def test_each_seed_stops_by_its_own_losses_and_lowers_its_own_rate(epochs):
    after, history, _ = epochs
    ends = []
    for seed, losses in enumerate(history["validation/loss"]):
        best_epoch, last, scales = followed_by_hand(losses)
        ends.append(last)
        assert after[-1].best.epoch[seed] == best_epoch
        assert after[-1].best.score[seed] == losses[best_epoch]
        np.testing.assert_allclose(history["train/learning_rate_scale"][seed, : last + 1], scales)
        assert np.isfinite(losses[: last + 1]).all()
        for values in history.values():
            assert np.isnan(values[seed, last + 1 :]).all()
        assert after[-1].stopped[seed] == (last < UNTIL_STOPPED.epochs - 1 or after[-1].waited[seed] == 4)
    assert len(set(ends)) > 1  # else the seeds have not been told apart
    assert min(history["train/learning_rate_scale"][np.isfinite(history["train/learning_rate_scale"])]) < 1


def test_newbob_halves_the_rate_after_each_epoch_that_brings_too_little(
    make_examples, make_ensemble, quick_compilation
):
    schedule = config.Training(epochs=10, batch_size=4, plateau_patience=1, plateau_threshold=0.05, plateau_floor=1e-6)
    ensemble = make_ensemble(
        make_examples(), count=4, optimizer=config.Optimizer(learning_rate=0.05), schedule=schedule
    )
    _, first = ensemble.run(ensemble.init(), 0, 5)
    losses, scales = first["validation/loss"], first["train/learning_rate_scale"]
    for of_seed, found in zip(losses, scales, strict=True):
        best, scale, expected = np.inf, 1.0, []
        for loss in of_seed:
            expected.append(scale)
            if np.isfinite(best) and not loss < best - 0.05 * abs(best):
                scale /= 2
            best = min(best, loss)
        np.testing.assert_allclose(found, expected)
    assert scales[:, -1].min() < 1


def test_the_middle_of_a_scale_is_added_to_what_the_model_says(make_examples, make_program, one_seed):
    examples = make_examples()
    found = {}
    for center in (0.0, 3.0):
        tasks = {"depressed": config.Task(), "score": config.Task(loss=Huber(center=center))}
        program = make_program(examples, DirectText(feature="audio", hidden=4), tasks=tasks)
        seed, resident, _ = one_seed(examples, seed=3, tasks=tasks)
        found[center] = program.predict(program.init(seed=seed), seed=seed, resident=resident, part="test")
    np.testing.assert_allclose(found[3.0]["score"].units, found[0.0]["score"].units + 3.0, atol=1e-6)
    np.testing.assert_array_equal(found[3.0]["depressed"].units, found[0.0]["depressed"].units)


def test_a_stopped_seed_does_not_move_while_others_do(epochs):
    after, history, _ = epochs
    for epoch in range(1, UNTIL_STOPPED.epochs):
        ran = np.isfinite(history["train/loss"][:, epoch])
        moved = (kernel(after[epoch].params) != kernel(after[epoch - 1].params)).any((1, 2))
        np.testing.assert_array_equal(moved, ran)
        for leaf, before in zip(jax.tree.leaves(after[epoch]), jax.tree.leaves(after[epoch - 1]), strict=True):
            np.testing.assert_array_equal(leaf[~ran], before[~ran])


def test_the_reported_state_is_that_of_the_best_epoch(epochs):
    after, _, _ = epochs
    for seed, epoch in enumerate(after[-1].best.epoch):
        np.testing.assert_array_equal(kernel(after[-1].best.params)[seed], kernel(after[epoch].params)[seed])
    assert (after[-1].best.epoch < UNTIL_STOPPED.epochs - 1).any()


def probabilities(examples, head, seed):
    """The linear model by numpy: normalise by the training split, mean frame, softmax."""
    values, mask = examples.buckets[0].features["audio"]
    frames = values[examples.splits == "train"][mask[examples.splits == "train"]]
    x = ((values - frames.mean(0)) / frames.std(0) * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
    logits = x @ head["kernel"][seed] + head["bias"][seed]
    exponents = np.exp(logits)
    return (exponents / exponents.sum(1, keepdims=True))[examples.splits == "test"]


def test_predictions_are_those_of_the_best_parameters(epochs, make_examples):
    after, _, predictions = epochs
    for seed in range(8):
        expected = probabilities(make_examples(), after[-1].best.params["heads"]["depressed"], seed)
        np.testing.assert_allclose(predictions[seed], expected, atol=1e-5)


def test_predictions_of_the_last_epoch_where_that_is_asked_for(make_examples, fit):
    schedule = config.Training(epochs=3, batch_size=8, epochs_per_call=3, select="last")
    run = fit(make_examples(), optimizer=config.Optimizer(learning_rate=1.0), schedule=schedule)
    assert run.final.best.epoch[0] < 2
    assert not jax.tree.leaves((run.final.best.params, run.final.best.statistics))  # nothing would read them
    expected = probabilities(make_examples(), run.final.params["heads"]["depressed"], 0)
    np.testing.assert_allclose(run.test_predictions[0], expected, atol=1e-5)


TWO_TASKS = {"depressed": config.Task(), "score": config.Task(loss=Huber(), weight=0.5)}


@pytest.mark.parametrize(
    ("monitor", "best"),
    [("f1", np.argmax), pytest.param("score_pearson", np.argmax, marks=pytest.mark.slow), ("score_mae", np.argmin)],
)
def test_the_best_epoch_is_the_best_by_the_monitored_metric(monitor, best, make_examples, fit):
    schedule = config.Training(epochs=6, batch_size=8, epochs_per_call=6, monitor=monitor)
    run = fit(make_examples(), count=4, epochs=6, tasks=TWO_TASKS, schedule=schedule)
    values = run.history[f"validation/{monitor}"]
    assert (np.diff(values, axis=1) != 0).any()
    np.testing.assert_array_equal(run.final.best.epoch, best(values, axis=1))


@pytest.fixture(scope="module")
def spoilt(make_examples, mean_model, fit, quick_compilation):
    return fit(make_examples(), mean_model(spoilt=0.3), count=8)


def test_a_seed_that_diverges_is_marked_and_frozen(spoilt):
    diverged = spoilt.final.diverged
    assert 0 < diverged.sum() < 8
    np.testing.assert_array_equal(diverged, np.isinf(kernel(spoilt.final.params)).all((1, 2)))
    start = spoilt.ensemble.fetch(spoilt.ensemble.init())
    np.testing.assert_array_equal(kernel(spoilt.final.params)[diverged], kernel(start.params)[diverged])
    assert not np.isfinite(spoilt.history["train/loss"][diverged, 0]).any()
    assert np.isnan(spoilt.history["train/learning_rate_scale"][diverged, 1:]).all()
    assert np.isfinite(spoilt.history["train/loss"][~diverged]).all()
    assert not spoilt.ensemble.all_ended(spoilt.states)


def test_a_seed_that_diverges_leaves_the_others_as_they_were(spoilt, make_examples, mean_model, fit):
    sound = fit(make_examples(), mean_model(spoilt=0.0), count=8)
    kept = ~spoilt.final.diverged
    jax.tree.map(lambda x, y: np.testing.assert_array_equal(x[kept], y[kept]), spoilt.final.params, sound.final.params)
    np.testing.assert_array_equal(spoilt.test_predictions[kept], sound.test_predictions[kept])


def test_a_step_to_infinity_is_never_reported_as_sound(make_examples, fit):
    """The loss is taken before the step: without a validation split nothing but the parameters shows it."""
    run = fit(
        make_examples(),
        epochs=1,
        splits=config.Splits(validation=()),
        optimizer=config.Optimizer(name="sgd", learning_rate=1e39),
        schedule=config.Training(epochs=1, batch_size=32, epochs_per_call=1),
    )
    assert run.final.diverged[0] or np.isfinite(run.test_predictions).all()


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd", "rmsprop"])
def test_every_optimiser_goes_downhill(name):
    transform = make_transform(config.Optimizer(name=name, learning_rate=0.1, clip_norm=1.0))
    params = {"w": jnp.array([3.0, -2.0])}
    updates, _ = transform.update(params, transform.init(params), params)
    assert (np.sign(updates["w"]) == [-1, 1]).all()


def test_weight_decay_is_added_to_the_gradient_but_decoupled_for_adamw():
    params, zero = {"w": jnp.array([2.0])}, {"w": jnp.array([0.0])}
    sgd, adamw = (
        make_transform(config.Optimizer(name=name, learning_rate=0.1, weight_decay=0.5)) for name in ("sgd", "adamw")
    )
    for transform in (sgd, adamw):
        updates, _ = transform.update(zero, transform.init(params), params)
        np.testing.assert_allclose(updates["w"], [-0.1 * 0.5 * 2.0], atol=1e-6)


def test_gradients_are_clipped_by_their_global_norm():
    transform = make_transform(config.Optimizer(name="sgd", learning_rate=1.0, clip_norm=1.0))
    gradient = {"w": jnp.array([3.0]), "v": jnp.array([4.0])}
    updates, _ = transform.update(gradient, transform.init(gradient), gradient)
    np.testing.assert_allclose([updates["w"][0], updates["v"][0]], [-0.6, -0.8], atol=1e-6)


def test_a_batch_that_does_not_divide_is_refused(make_examples, make_program):
    with pytest.raises(ConfigError, match=r"training.batch_size: 8 does not divide among 3 data shards"):
        make_program(make_examples(), data_shards=3)
