"""The recurrent layers' hand-written gradients agree with autodiff, and padding changes neither output nor gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import lax

from jaxdep.models.layers.recurrent import GRU, LSTM, BiGRU, BiLSTM, gru_scan, lstm_scan

pytestmark = pytest.mark.usefixtures("quick_compilation")

BATCH, FRAMES, FEATURES, HIDDEN = 3, 7, 5, 4
LENGTHS = np.array([7, 3, 1])


@pytest.fixture
def x():
    return jax.random.normal(jax.random.key(1), (BATCH, FRAMES, FEATURES))


@pytest.fixture
def mask():
    return jnp.arange(FRAMES)[None, :] < LENGTHS[:, None]


def _lstm_reference(inputs, kernel, mask, state):
    def step(carry, now):
        h, c = carry
        product, valid = now
        i, f, g, o = jnp.split(product + jnp.einsum("kbh,khg->kbg", h, kernel), 4, axis=-1)
        c_next = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h_next = jax.nn.sigmoid(o) * jnp.tanh(c_next)
        h, c = jnp.where(valid, h_next, h), jnp.where(valid, c_next, c)
        return (h, c), h

    last, states = lax.scan(step, state, (inputs, mask))
    return states, last


def _gru_reference(inputs, kernel, bias, mask, state):
    def step(h, now):
        product, valid = now
        x_r, x_z, x_n = jnp.split(product, 3, axis=-1)
        h_r, h_z, h_n = jnp.split(jnp.einsum("kbh,khg->kbg", h, kernel), 3, axis=-1)
        r, z = jax.nn.sigmoid(x_r + h_r), jax.nn.sigmoid(x_z + h_z)
        n = jnp.tanh(x_n + r * (h_n + bias[:, None, :]))
        h = jnp.where(valid, (1 - z) * n + z * h, h)
        return h, h

    last, states = lax.scan(step, state, (inputs, mask))
    return states, last


def _scan_case(gates):
    keys = jax.random.split(jax.random.key(0), 3)
    inputs = jax.random.normal(keys[0], (FRAMES, 2, BATCH, gates * HIDDEN))
    kernel = jax.random.normal(keys[1], (2, HIDDEN, gates * HIDDEN)) * 0.5
    mask = jax.random.bernoulli(keys[2], 0.7, (FRAMES, 2, BATCH, 1))  # holes too: any mask holds the state
    return inputs, kernel, mask


def _gradients(scan, arguments, mask):
    """The loss and its gradients, as a function of one seed's arguments, and the arguments of two seeds."""
    weight = jax.random.normal(jax.random.key(6), (FRAMES, 2, BATCH, HIDDEN))

    def weighed(parts):
        *leading, state = parts
        states, last = scan(*leading, mask, state)
        return jnp.sum(states * weight) + sum(jnp.sum(jnp.sin(part)) for part in jax.tree.leaves(last))

    loss = jax.value_and_grad(weighed)
    return loss, jax.tree.map(lambda a: jnp.stack([a, 0.5 * a]), arguments)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_hand_written_gradient_is_that_of_autodiff(cell):
    inputs, kernel, mask = _scan_case(4 if cell == "lstm" else 3)
    bias = jax.random.normal(jax.random.key(5), (2, HIDDEN))
    h, c = jax.random.normal(jax.random.key(7), (2, 2, BATCH, HIDDEN))
    ours, reference, arguments = {
        "lstm": (lstm_scan, _lstm_reference, (inputs, kernel, (h, c))),
        "gru": (gru_scan, _gru_reference, (inputs, kernel, bias, h)),
    }[cell]
    loss, seeds = _gradients(reference, arguments, mask)
    expected = jax.tree.leaves(jax.jit(jax.vmap(loss))(seeds))
    loss, _ = _gradients(ours, arguments, mask)
    mapped = {
        "vmap": jax.jit(jax.vmap(loss))(seeds),
        "lax.map": jax.jit(lambda seeds: lax.map(loss, seeds))(seeds),
        "alone": jax.tree.map(lambda a: a[None], jax.jit(loss)(arguments)),
    }
    for name, found in mapped.items():
        for part, right in zip(jax.tree.leaves(found), expected, strict=True):
            np.testing.assert_allclose(part, right[: part.shape[0]], rtol=1e-5, atol=1e-5, err_msg=name)


@pytest.mark.parametrize(("layer", "layers"), [(LSTM, 1), (BiLSTM, 2), (GRU, 1), (BiGRU, 1)])
def test_padding_changes_neither_output_nor_gradient(layer, layers, x, mask):
    graphdef, state = nnx.split(layer(FEATURES, HIDDEN, layers=layers, rngs=nnx.Rngs(0)))

    def loss(state, x, mask):
        outputs, final = nnx.merge(graphdef, state, copy=True)(x, mask)
        return jnp.sum(jnp.sin(outputs)) + jnp.sum(final**2), (outputs, final)

    run = jax.jit(jax.value_and_grad(loss, has_aux=True))
    padded = jnp.full((BATCH, 4, FEATURES), jnp.nan)
    (_, (outputs, final)), gradient = run(state, x, mask)
    longer = run(state, jnp.concatenate([x, padded], 1), jnp.concatenate([mask, jnp.zeros((BATCH, 4), bool)], 1))
    (_, (outputs_longer, final_longer)), gradient_longer = longer
    np.testing.assert_allclose(outputs_longer[:, :FRAMES], outputs, atol=1e-6)
    assert not outputs_longer[:, FRAMES:].any()
    np.testing.assert_allclose(final_longer, final, atol=1e-6)
    for found, expected in zip(jax.tree.leaves(gradient_longer), jax.tree.leaves(gradient), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(("layer", "layers"), [(LSTM, 1), (BiLSTM, 2), (BiGRU, 2)])
@pytest.mark.parametrize("time_chunk", [3, *(pytest.param(chunk, marks=pytest.mark.slow) for chunk in (1, FRAMES))])
def test_chunks_of_time_change_neither_output_nor_gradient(layer, layers, time_chunk, x, mask):
    """Three frames do not divide the seven."""

    def run(chunk):
        model = layer(FEATURES, HIDDEN, layers=layers, time_chunk=chunk, rngs=nnx.Rngs(0))
        graphdef, state = nnx.split(model)

        def loss(state, x):
            outputs, final = nnx.merge(graphdef, state, copy=True)(x, mask)
            return jnp.sum(jnp.sin(outputs)) + jnp.sum(final**2), (outputs, final)

        return jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))(state, x)

    for found, expected in zip(jax.tree.leaves(run(time_chunk)), jax.tree.leaves(run(0)), strict=True):
        np.testing.assert_allclose(found, expected, atol=2e-6)


@pytest.mark.parametrize("layer", [BiLSTM, BiGRU])
def test_each_sequence_is_read_as_if_it_were_alone(layer, x, mask):
    graphdef, state = nnx.split(layer(FEATURES, HIDDEN, rngs=nnx.Rngs(0)))
    model = jax.jit(lambda x, mask: nnx.merge(graphdef, state, copy=True)(x, mask))
    outputs, final = model(x, mask)
    row, length = 1, LENGTHS[1]
    alone, last = model(x[row : row + 1, :length], jnp.ones((1, length), bool))
    np.testing.assert_allclose(outputs[row, :length], alone[0], atol=1e-6)
    np.testing.assert_allclose(final[row], last[0], atol=1e-6)
    np.testing.assert_allclose(last[0], jnp.concatenate([alone[0, -1, :HIDDEN], alone[0, 0, HIDDEN:]]), atol=1e-6)


@pytest.mark.parametrize("layer", [BiLSTM, BiGRU])
def test_a_sequence_without_frames_gives_zeros_and_no_gradient(layer, x):
    graphdef, state = nnx.split(layer(FEATURES, HIDDEN, rngs=nnx.Rngs(0)))

    def loss(state, x):
        outputs, final = nnx.merge(graphdef, state, copy=True)(x, jnp.zeros((BATCH, FRAMES), bool))
        return jnp.sum(outputs) + jnp.sum(final)

    value, gradients = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))(state, x * jnp.nan)
    assert value == 0
    assert all(not leaf.any() for leaf in jax.tree.leaves(gradients))


@pytest.mark.parametrize("layer", [BiLSTM, BiGRU])
def test_a_seed_is_the_same_alone_and_among_others(layer, x, mask):
    def state(key):
        return nnx.split(layer(FEATURES, HIDDEN, rngs=nnx.Rngs(key)))[1]

    graphdef, _ = nnx.split(layer(FEATURES, HIDDEN, rngs=nnx.Rngs(0)))
    keys = jax.random.split(jax.random.key(3), 3)
    states = jax.vmap(state)(keys)
    second = jax.tree.map(lambda leaf: leaf[1], states)
    for found, expected in zip(jax.tree.leaves(second), jax.tree.leaves(state(keys[1])), strict=True):
        np.testing.assert_array_equal(found, expected)

    def outputs(state):
        return nnx.merge(graphdef, state, copy=True)(x, mask)[0]

    alone = jax.jit(outputs)(second)
    vmapped = jax.jit(jax.vmap(outputs))(states)
    np.testing.assert_allclose(vmapped[1], alone, atol=1e-6)
    np.testing.assert_allclose(jax.jit(lambda states: lax.map(outputs, states))(states)[1], alone, atol=1e-6)
    assert not np.allclose(vmapped[0], alone)


@pytest.mark.parametrize("layer", [BiLSTM, BiGRU])
def test_bfloat16_computes_near_float32_with_float32_parameters_and_gradients(layer, x, mask):
    exact, state = nnx.split(layer(FEATURES, HIDDEN, rngs=nnx.Rngs(0)))
    half, _ = nnx.split(layer(FEATURES, HIDDEN, dtype=jnp.bfloat16, rngs=nnx.Rngs(0)))
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(state))

    def loss(graphdef, state):
        outputs = nnx.merge(graphdef, state, copy=True)(x, mask)[0]
        return jnp.sum(outputs.astype(jnp.float32) ** 2), outputs

    run = jax.jit(jax.grad(loss, argnums=1, has_aux=True), static_argnums=0)
    (gradient, outputs), (expected_gradient, expected) = run(half, state), run(exact, state)
    assert outputs.dtype == jnp.bfloat16
    np.testing.assert_allclose(outputs.astype(jnp.float32), expected, atol=0.03)
    for found, right in zip(jax.tree.leaves(gradient), jax.tree.leaves(expected_gradient), strict=True):
        assert found.dtype == jnp.float32
        np.testing.assert_allclose(found, right, atol=0.06 * float(jnp.abs(right).max()))


@pytest.mark.parametrize("layer", [BiLSTM, BiGRU])
def test_gradients_of_bfloat16_biases_are_summed_in_float32(layer):
    """A bfloat16 sum of 16000 numbers of one size stops growing after some hundred of them."""
    graphdef, state = nnx.split(layer(2, 2, dtype=jnp.bfloat16, rngs=nnx.Rngs(0)))
    exact, _ = nnx.split(layer(2, 2, rngs=nnx.Rngs(0)))
    x, mask = jnp.ones((500, 32, 2)), jnp.ones((500, 32), bool)

    def gradient(graphdef):
        def loss(state):
            return jnp.sum(nnx.merge(graphdef, state, copy=True)(x, mask)[0].astype(jnp.float32))

        return nnx.to_pure_dict(jax.jit(jax.grad(loss))(state))["layers"][0]["bias"]

    np.testing.assert_allclose(gradient(graphdef), gradient(exact), rtol=0.03, atol=10)


def _cell(layer, x, printed):
    """One step after another in NumPy: the standard LSTM, or the one that system 4's paper prints."""
    cell = layer.layers[0]
    W, U, b = (np.asarray(p[...], np.float64) for p in (cell.input_kernel, cell.recurrent_kernel, cell.bias))
    h, c, states = np.zeros((BATCH, HIDDEN)), np.zeros((BATCH, HIDDEN)), []
    for frame in np.swapaxes(np.asarray(x, np.float64), 0, 1):
        i, f, g, o = np.split(frame @ W[:, 0] + h @ U[0] + b[0], 4, axis=-1)
        i, f, o = (1 / (1 + np.exp(-gate)) for gate in (i, f, o))
        c = f * c + (1 if printed else i) * np.tanh(g)
        h = o * np.tanh(c)
        states.append(h)
    return np.stack(states, axis=1)


def test_the_cell_is_the_standard_one_and_the_printed_one_where_the_input_gate_is_open(x):
    """Section II.B of "Deep Learning-Based Cross-Modal Emotion Recognition ..." (Xu) has C_t = f c_{t-1} + tanh(...).

    The standard cell is used: the printed one is taken for a misprint, since its i_t is computed and never used.
    """
    layer, mask = LSTM(FEATURES, HIDDEN, rngs=nnx.Rngs(0)), jnp.ones((BATCH, FRAMES), bool)
    np.testing.assert_allclose(layer(x, mask)[0], _cell(layer, x, printed=False), atol=1e-6)
    assert not np.allclose(layer(x, mask)[0], _cell(layer, x, printed=True), atol=1e-2)
    cell = layer.layers[0]
    cell.input_kernel[...] = cell.input_kernel[...].at[:, :, :HIDDEN].set(0)
    cell.recurrent_kernel[...] = cell.recurrent_kernel[...].at[:, :, :HIDDEN].set(0)
    cell.bias[...] = cell.bias[...].at[:, :HIDDEN].set(30)
    np.testing.assert_allclose(layer(x, mask)[0], _cell(layer, x, printed=True), atol=1e-6)
