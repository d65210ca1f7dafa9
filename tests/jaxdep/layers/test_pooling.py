"""Pooling over valid frames equals NumPy's on the frames alone; a sequence without frames gives zeros, never NaN."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from input_pipeline.batching import Bucket, Padded
from jaxdep import config
from jaxdep.models.depaudionet import DepAudioNet
from jaxdep.models.layers.pooling import (
    last_valid,
    masked_max,
    masked_mean,
    masked_mean_std,
    masked_std,
    max_pool,
    max_pool_2d,
)

LENGTHS = (6, 3, 1, 0)
MASK = jnp.arange(6)[None, :] < jnp.array(LENGTHS)[:, None]
REFERENCES = {
    masked_mean: lambda frames: frames.mean(0),
    masked_std: lambda frames: frames.std(0),
    masked_mean_std: lambda frames: np.concatenate([frames.mean(0), frames.std(0)]),
    masked_max: lambda frames: frames.max(0),
    last_valid: lambda frames: frames[-1],
}
POOLS = pytest.mark.parametrize("pool", REFERENCES, ids=lambda pool: pool.__name__)


@pytest.fixture
def x():
    values = jax.random.normal(jax.random.key(0), (4, 6, 2)) - 5  # below zero, so that a padded zero would be a maximum
    return jnp.where(MASK[:, :, None], values, jnp.nan)


@POOLS
def test_pools_the_valid_frames_alone(pool, x):
    pooled = pool(x, MASK)
    for row, length in enumerate(LENGTHS[:-1]):
        np.testing.assert_allclose(pooled[row], REFERENCES[pool](np.asarray(x[row, :length])), rtol=1e-5, atol=1e-6)
    assert not pooled[-1].any()


@POOLS
def test_gradient_is_finite_everywhere_and_zero_at_padding(pool, x):
    gradient = jax.grad(lambda x: jnp.sum(pool(x, MASK) ** 2))(x)
    assert jnp.isfinite(gradient).all()
    assert not jnp.where(MASK[:, :, None], 0, gradient).any()
    assert gradient[0].any()


def test_constant_sequence_has_no_deviation_and_a_finite_gradient():
    x, mask = jnp.full((1, 4, 2), 3.0), jnp.ones((1, 4), bool)
    value, gradient = jax.value_and_grad(lambda x: jnp.sum(masked_std(x, mask)))(x)
    assert value == 0
    assert not gradient.any()


@pytest.mark.parametrize("size", [1, 2, 3, 4, 9])
def test_max_pooling_of_each_sequence_ends_with_what_is_left(size, x):
    pooled, mask = max_pool(x, MASK, size)
    assert pooled.shape[1] == -(-x.shape[1] // size)
    for row, length in enumerate(LENGTHS):
        expected = [np.asarray(x[row, start : min(start + size, length)]).max(0) for start in range(0, length, size)]
        assert mask[row].tolist() == [True] * len(expected) + [False] * (mask.shape[1] - len(expected))
        np.testing.assert_array_equal(pooled[row, : len(expected)], np.array(expected).reshape(-1, x.shape[2]))
        assert not pooled[row, len(expected) :].any()
    gradient = jax.grad(lambda x: jnp.sum(max_pool(x, MASK, size)[0]))(x)
    np.testing.assert_array_equal(gradient.sum((1, 2)), 2 * mask.sum(1))  # one winner in each of the two dimensions
    assert not jnp.where(MASK[:, :, None], 0, gradient).any()


def test_equal_frames_share_the_gradient():
    x, mask = jnp.ones((1, 5, 2)), jnp.arange(5)[None] < 4
    gradient = jax.grad(lambda x: jnp.sum(max_pool(x, mask, 3)[0]))(x)
    np.testing.assert_allclose(gradient[0, :, 0], [1 / 3, 1 / 3, 1 / 3, 1, 0])


def test_maxima_of_an_image_leave_out_what_fills_no_window_and_share_the_gradient():
    image = jnp.arange(5 * 7.0).reshape(1, 5, 7, 1)
    np.testing.assert_array_equal(max_pool_2d(image, 2)[0, ..., 0], [[8, 10, 12], [22, 24, 26]])
    gradient = jax.grad(lambda x: jnp.sum(max_pool_2d(x, 2)))(jnp.ones((1, 5, 7, 1)))[0, ..., 0]
    np.testing.assert_allclose(gradient[:4, :6], 0.25)
    assert not gradient[4:].any()
    assert not gradient[:, 6:].any()


@pytest.mark.slow
def test_an_epoch_behind_a_batch_norm_is_finite_as_it_is_compiled_for_users(make_examples, make_program, one_seed):
    """With `jnp.max` every gradient of the convolution was NaN here, on a CPU with jax 0.10.1."""
    examples = make_examples(40, longest=120, dim=40, windows=4)
    (bucket,) = examples.buckets
    shape = bucket.features["audio"].values.shape
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    whole = Bucket({"audio": Padded(values, np.ones(shape[:2], bool))}, bucket.rows)
    examples = dataclasses.replace(examples, buckets=(whole,))
    schedule = config.Training(epochs=1, batch_size=20, epochs_per_call=1)
    program = make_program(examples, DepAudioNet(channels=32, hidden=32), schedule=schedule)
    seed, resident, _ = one_seed(examples)
    run = jax.jit(functools.partial(program.run_epochs, first_epoch=0, n_epochs=1, max_steps=99))
    state, _ = run(program.init(seed=seed), seed=seed, resident=resident)
    assert not state.diverged
