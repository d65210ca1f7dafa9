"""The kernels for a TPU, in Pallas's interpreter, and the unrolled scans agree with the scans, in values and gradients."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.experimental.pallas import tpu as pltpu

from jaxdep.models.layers import pallas
from jaxdep.models.layers.recurrent import GRU_SCANS, LSTM_SCANS, UNROLLED_STEPS, BiGRU, BiLSTM, computed_by

pytestmark = pytest.mark.usefixtures("quick_compilation")

TOLERANCE = 1e-5
SMALL = [(7, 2, 3, 8, jnp.float32)]
SIZES = [  # frames, directions, batch (odd too), hidden; of several blocks of time where the limit below is small
    *SMALL,
    *(
        pytest.param(*size, marks=pytest.mark.slow)
        for size in [
            (11, 2, 5, 64, jnp.float32),
            (6, 1, 1, 128, jnp.float32),
            (5, 2, 7, 256, jnp.float32),
            (9, 2, 4, 64, jnp.bfloat16),
        ]
    ),
]


@pytest.fixture(autouse=True)
def interpreted():
    with pltpu.force_tpu_interpret_mode():
        yield


@pytest.fixture(
    params=[
        pytest.param(1, id="frame by frame"),
        pytest.param(1 << 20, id="in one block", marks=pytest.mark.slow),
        pytest.param(1 << 10, id="in a few", marks=pytest.mark.slow),
    ]
)
def blocks(request, monkeypatch):
    monkeypatch.setattr(pallas, "_BLOCK_BYTES", request.param)


def case(scans, frames, directions, batch, hidden, dtype):
    gates = 4 if scans is LSTM_SCANS else 3
    rng = np.random.default_rng(0)

    def draw(*shape, kind=jnp.float32):
        return jnp.asarray(rng.normal(size=shape) * 0.5, kind)

    state = draw(directions, batch, hidden), draw(directions, batch, hidden)
    state = (state[0].astype(dtype), state[1]) if gates == 4 else state[0]
    inputs, kernel = (
        draw(frames, directions, batch, gates * hidden, kind=dtype),
        draw(directions, hidden, gates * hidden),
    )
    leading = (inputs, kernel) if gates == 4 else (inputs, kernel, draw(directions, hidden))
    lengths = rng.integers(0, frames + 1, batch)
    mask = jnp.asarray(np.arange(frames)[:, None, None, None] < lengths[None, None, :, None])
    mask = jnp.broadcast_to(mask, (frames, directions, batch, 1)).at[:, -1].set(mask[::-1, 0])  # ragged, at either end
    return leading, mask, state


def graded(scan, mask):
    """The outputs, and the gradients of a loss that every output has a part in."""

    def loss(leading, state):
        states, last = scan(*leading, mask, state)
        weights = jnp.cos(jnp.arange(states.size, dtype=jnp.float32)).reshape(states.shape)
        ends = sum(jnp.sum(jnp.sin(part.astype(jnp.float32))) for part in jax.tree.leaves(last))
        return jnp.sum(states.astype(jnp.float32) * weights) + ends, (states, last)

    return jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)


@pytest.mark.parametrize("scans", [LSTM_SCANS, GRU_SCANS], ids=["lstm", "gru"])
@pytest.mark.parametrize(("frames", "directions", "batch", "hidden", "dtype"), SIZES)
def test_the_kernel_agrees_with_the_scan(scans, frames, directions, batch, hidden, dtype, blocks):
    leading, mask, state = case(scans, frames, directions, batch, hidden, dtype)
    expected = graded(scans["scan"], mask)(leading, state)
    found = graded(scans["pallas"], mask)(leading, state)
    tolerance = TOLERANCE if dtype == jnp.float32 else 2e-2  # a digit of bfloat16, rounded at other places
    for ours, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert ours.dtype == theirs.dtype
        scale = max(1.0, float(np.abs(theirs).max()))
        np.testing.assert_allclose(np.float32(ours), np.float32(theirs), rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("scans", [LSTM_SCANS, GRU_SCANS], ids=["lstm", "gru"])
@pytest.mark.parametrize("name", ["unrolled", "graph"])
@pytest.mark.parametrize("frames", [5, UNROLLED_STEPS, 2 * UNROLLED_STEPS + 3])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_other_scans_agree_with_the_scan(scans, name, frames, dtype):
    leading, mask, state = case(scans, frames, 2, 3, 8, dtype)
    expected = jax.jit(graded(scans["scan"], mask))(leading, state)
    found = jax.jit(graded(scans[name], mask))(leading, state)
    tolerance = {"rtol": 1e-6, "atol": TOLERANCE} if dtype == jnp.float32 else {"rtol": 2e-2, "atol": 2e-2}
    for ours, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(np.float32(ours), np.float32(theirs), **tolerance)


@pytest.mark.parametrize("scans", [LSTM_SCANS, GRU_SCANS], ids=["lstm", "gru"])
def test_a_step_of_a_graph_keeps_one_array(scans):
    leading, mask, state = case(scans, 6, 2, 3, 8, jnp.float32)

    def kept(name):
        text = jax.jit(lambda: graded(scans[name], mask)(leading, state)).lower().compile().as_text()
        body = re.search(r"while\(.*?body=%?([\w.]+)", text)[1]
        return re.search(rf"%{re.escape(body)} \(.*?\) -> \((.*?)\) {{", text)[1].count("f32[6,")

    assert kept("scan") - kept("graph") == (2 if scans is LSTM_SCANS else 1)


def test_the_unrolled_scan_has_its_steps_in_the_body():
    leading, mask, state = case(LSTM_SCANS, 3 * UNROLLED_STEPS, 2, 3, 8, jnp.float32)

    def turns(name):
        text = jax.jit(graded(LSTM_SCANS[name], mask)).lower(leading, state).compile().as_text()
        return set(map(int, re.findall(r'known_trip_count":{"n":"(\d+)"', text)))

    assert (turns("scan"), turns("unrolled")) == ({3 * UNROLLED_STEPS}, {3})


@pytest.mark.parametrize("layer", [BiLSTM, BiGRU])
@pytest.mark.parametrize("name", ["unrolled", "graph", "pallas"])
def test_a_layer_of_several_seeds_is_the_same_by_either(layer, name):
    """Under vmap the seeds become an axis of the kernel's grid."""
    mask = jnp.arange(6)[None, :] < jnp.array([6, 2, 0])[:, None]
    x = jax.random.normal(jax.random.key(1), (2, 3, 6, 5))

    def run(key, x):
        return layer(5, 8, rngs=nnx.Rngs(params=key))(x, mask)

    keys = jax.random.split(jax.random.key(0), 2)
    expected = jax.vmap(run)(keys, x)
    with computed_by(name):
        found = jax.vmap(run)(keys, x)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=TOLERANCE)
