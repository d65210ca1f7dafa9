"""Self-attentive pooling ignores padding, and its penalty is least for the weights it asks for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxdep.models.layers.attention import (
    RelativePosition,
    SelfAttentivePooling,
    masked_softmax,
    penalty,
    sharpness_targets,
)


@pytest.fixture
def h():
    return jax.random.normal(jax.random.key(0), (3, 6, 4))


@pytest.fixture
def model():
    return SelfAttentivePooling(4, 8, heads=5, initializer="xavier_uniform", rngs=nnx.Rngs(1))


MASK = jnp.arange(6)[None, :] < jnp.array([6, 2, 0])[:, None]


def test_weights_of_each_head_sum_to_one_over_the_valid_frames(model, h):
    pooled, A = model(h, MASK)
    assert pooled.shape == (3, 5 * 4)
    np.testing.assert_allclose(A.sum(-1), np.array([[1.0], [1.0], [0.0]]).repeat(5, 1), atol=1e-6)
    assert not jnp.where(MASK[:, None, :], 0, A).any()
    np.testing.assert_allclose(pooled.reshape(3, 5, 4), jnp.einsum("brt,btd->brd", A, h), atol=1e-6)


def test_padding_changes_neither_output_nor_gradient(model, h):
    graphdef, state = nnx.split(model)

    def loss(state, h, mask):
        pooled, A = nnx.merge(graphdef, state, copy=True)(h, mask)
        return jnp.sum(pooled**2) + jnp.sum(penalty(A, sharpness_targets([1.0, 1.0, 1.0, 0.2, 0.0], mask)))

    longer = jnp.concatenate([h, jnp.full((3, 5, 4), jnp.nan)], axis=1)
    mask = jnp.concatenate([MASK, jnp.zeros((3, 5), bool)], axis=1)
    run = jax.jit(jax.value_and_grad(loss))
    value, gradient = run(state, h, MASK)
    value_longer, gradient_longer = run(state, longer, mask)
    np.testing.assert_allclose(value_longer, value, rtol=1e-6)
    for found, expected in zip(jax.tree.leaves(gradient_longer), jax.tree.leaves(gradient), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_bias_of_the_scores_multiplies_the_weights_by_its_exponential(model, h):
    bias = jax.random.normal(jax.random.key(2), (3, 6, 5))
    pooled, A = model(h, MASK, bias)
    expected = model(h, MASK)[1] * jnp.exp(jnp.swapaxes(bias, 1, 2))
    total = expected.sum(-1, keepdims=True)
    np.testing.assert_allclose(A, expected / jnp.where(total > 0, total, 1), atol=1e-6)
    np.testing.assert_allclose(pooled.reshape(3, 5, 4), jnp.einsum("brt,btd->brd", A, h), atol=1e-6)


def test_relative_position_has_a_number_for_each_distance_and_head_up_to_its_reach():
    position = RelativePosition((0.0, 0.5, 2.0), reach=2)
    distance = jnp.arange(-4, 5)[None]
    starts = [[0.0, -0.5 * min(abs(d), 2), -2.0 * min(abs(d), 2)] for d in distance[0].tolist()]
    np.testing.assert_array_equal(position(distance)[0], starts)
    position.numbers[...] = numbers = jnp.arange(15.0).reshape(5, 3)
    np.testing.assert_array_equal(position(distance)[0], numbers[jnp.array([0, 0, 0, 1, 2, 3, 4, 4, 4])])


def test_softmax_without_a_valid_frame_is_zero_with_a_zero_gradient():
    scores = jnp.array([[3.0, -1.0]])
    value, gradient = jax.value_and_grad(lambda s: jnp.sum(masked_softmax(s, jnp.zeros((1, 2), bool))))(scores)
    assert value == 0
    assert not gradient.any()


def test_penalty_vanishes_for_spikes_where_one_is_asked_and_a_flat_average_where_one_over_t_is():
    A = jnp.stack([jnp.eye(5)[0], jnp.full((5,), 0.2)])[None]
    off_diagonal = 2 * 0.2**2  # a spike and a flat average share 1/T
    np.testing.assert_allclose(penalty(A, jnp.array([[1.0, 0.2]])), [off_diagonal], rtol=1e-6)
    np.testing.assert_allclose(penalty(A, jnp.array([[1.0, 1.0]])), [off_diagonal + 0.8**2], rtol=1e-6)


def test_a_head_of_sharpness_0_is_asked_for_the_flat_average_of_its_own_example():
    """Over 2 frames that is 1/2, over 6 it is 1/6; only there it costs nothing to be flat."""
    targets = sharpness_targets((1.0, 0.2, 0.0), MASK)
    np.testing.assert_allclose(targets, [[1.0, 0.2, 1 / 6], [1.0, 0.2, 1 / 2], [1.0, 0.2, 1.0]])
    flat = (MASK / jnp.maximum(MASK.sum(1, keepdims=True), 1))[:, None, :]
    np.testing.assert_allclose(penalty(flat, targets[:, 2:])[:2], 0, atol=1e-12)
    assert (penalty(flat, targets[:, 1:2])[:2] > 1e-3).all()


def test_penalty_drives_heads_to_the_shapes_asked_for():
    diagonal = jnp.array([[1.0, 0.1]])
    scores = jax.random.normal(jax.random.key(2), (1, 2, 10)) * 0.1
    gradient = jax.grad(lambda s: jnp.sum(penalty(jax.nn.softmax(s), diagonal)))
    scores = jax.jit(lambda s: jax.lax.fori_loop(0, 500, lambda _, s: s - 2 * gradient(s), s))(scores)
    peaks = jax.nn.softmax(scores).max(-1)[0]
    assert peaks[0] > 0.9
    assert peaks[1] < 0.2
