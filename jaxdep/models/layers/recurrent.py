"""LSTM and GRU layers over padded sequences, fast over many seeds: both directions run in one scan.

What makes them fast: the input's product is one matrix product ahead of the scan; a direction is a batch axis of the
recurrent product; and the gradient is written by hand. It keeps the gates and states alone, and forms the gradient of
the recurrent kernel as one matrix product after the loop, where autodiff would carry it through every step.

Sequences too long for that are read in chunks of time: the gates of one chunk alone exist at once, since the backward
pass computes each chunk anew from the state before it.

`LSTM_SCANS` and `GRU_SCANS` alone know how the steps are made: by XLA's scan, the reference; by the same with some steps
written out in its body, or with one result a step, so that a GPU can record the loop (`graph`); on a TPU by one kernel
(pallas.py). A whole LSTM can be NVIDIA's (cudnn.py). Which of them a program is compiled with, `computed_by` says.

The backward direction reads time reversed, padding first. A masked step holds the state, which begins at zero: so that
direction starts at the last valid frame, and no gather is needed.

Axes: B batch, T time, K directions (forward, backward), H hidden, G the gates' width (4H or 3H). Inside, time leads.
"""

import contextlib
import contextvars
from abc import abstractmethod
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Shaped

from jaxdep.models.layers import cudnn, initializers, pallas

Tree = Any

UNROLLED_STEPS = 8  # in the body of the scan "unrolled": fewer turns of the loop, and more for the compiler to join

_computed_by: contextvars.ContextVar[str] = contextvars.ContextVar("computed_by", default="scan")


@contextlib.contextmanager
def computed_by(name: str) -> Iterator[None]:
    """Programs that are traced within make their steps so: a name of `LSTM_SCANS`. The results agree to rounding."""
    token = _computed_by.set(name)
    try:
        yield
    finally:
        _computed_by.reset(token)


class _Recurrent(nnx.Module):
    """Layers of one cell, one above the other; the subclasses name the cell and the number of directions."""

    cell: ClassVar[type["_Cell"]]
    directions: ClassVar[int]

    def __init__(
        self,
        in_features: int,
        hidden: int,
        *,
        rngs: nnx.Rngs,
        layers: int = 1,
        initializer: str = "pytorch",
        dtype: DTypeLike = jnp.float32,
        time_chunk: int = 0,
    ):
        """`dtype` is that of products, gates and outputs; parameters and the cell state are float32 throughout.

        Args:
            time_chunk: frames whose gates are kept at a time, for a third more arithmetic (0: all frames').

        Raises:
            ConfigError: `initializer` is no name that `initializers.get` knows.
        """
        widths = [in_features] + [self.directions * hidden] * (layers - 1)
        cells = [self.cell(width, hidden, self.directions, rngs, initializer, dtype) for width in widths]
        self.layers = nnx.List(cells)
        self.time_chunk = time_chunk

    def __call__(
        self, x: Float[Array, "B T D"], mask: Bool[Array, "B T"]
    ) -> tuple[Float[Array, "B T K*H"], Float[Array, "B K*H"]]:
        """The states at every frame, zero at masked ones, and the last state of each direction (top layer)."""
        x = jnp.swapaxes(jnp.where(mask[:, :, None], x, 0).astype(self.layers[0].dtype), 0, 1)  # [T, B, D]
        valid = mask.T[:, :, None]
        held = _fold(jnp.stack([valid] * self.directions, axis=2))
        for layer in self.layers:
            states, last = layer(x, held, self.time_chunk)
            x = jnp.where(valid, states, 0)
        return jnp.swapaxes(x, 0, 1), jnp.concatenate(list(last), axis=-1)


class _Cell(nnx.Module):
    """The parameters of one layer. Gates lie as in PyTorch, whose weights fit when transposed."""

    gates: ClassVar[int]
    bias: nnx.Param[Array]

    def __init__(
        self, in_features: int, hidden: int, directions: int, rngs: nnx.Rngs, initializer: str, dtype: DTypeLike
    ):
        kernel = initializers.get(initializer, fan_in=hidden)
        self.input_kernel = nnx.Param(_draw(kernel, rngs, directions, in_features, self.gates * hidden))  # [D, K, G]
        recurrent_kernel = _draw(kernel, rngs, directions, hidden, self.gates * hidden)
        self.recurrent_kernel = nnx.Param(jnp.swapaxes(recurrent_kernel, 0, 1))  # [K, H, G]
        self.dtype = dtype

    def __call__(
        self, x: Float[Array, "T B D"], mask: Bool[Array, "T K B 1"], time_chunk: int
    ) -> tuple[Float[Array, "T B K*H"], Float[Array, "K B H"]]:
        """The states of one layer, of masked frames anything, and the last of each direction; time leads.

        Args:
            mask: valid frames, in each direction's order of time.
        """
        states = self._states(x, mask, time_chunk)
        return _unfold(states), states[-1]

    def _states(self, x: Array, mask: Array, time_chunk: int) -> Float[Array, "T K B H"]:
        state = self._zero_state(mask.shape[1:3])
        if not 0 < time_chunk < len(x):
            return self._scan(_fold(self._input_product(x)), mask, state)[0]
        in_order = [x, x[::-1]][: mask.shape[1]]  # stacked only within a chunk: no further copy of a long input
        chunks = jax.tree.map(lambda rows: _chunked(rows, time_chunk), (in_order, mask))

        def chunk(state: Tree, now: tuple[list[Array], Array]) -> tuple[Tree, Array]:
            x, mask = now
            states, state = self._scan(self._input_product(jnp.stack(x, axis=1), directions_apart=True), mask, state)
            return state, states

        _, states = lax.scan(jax.checkpoint(chunk, prevent_cse=False), state, chunks)
        return states.reshape(-1, *states.shape[2:])[: len(x)]

    @abstractmethod
    def _scan(
        self, inputs: Float[Array, "T K B G"], mask: Bool[Array, "T K B 1"], state: Tree
    ) -> tuple[Float[Array, "T K B H"], Tree]:
        """The states of the frames after `state`, and the last one."""

    @abstractmethod
    def _zero_state(self, shape: tuple[int, ...]) -> Tree:
        """The state before the first frame, of [K, B] sequences."""

    def _input_product(
        self, x: Array, directions_apart: bool = False
    ) -> Float[Array, "T B K G"] | Float[Array, "T K B G"]:
        """The input's part of the gates: of x [T, B, D] all directions' at once, or of x [T, K, B, D] each one's."""
        # The bias in float32, as its gradient's sum over all frames is to be.
        kernel, bias, x = self.input_kernel[...].astype(self.dtype), self.bias[...], x.astype(self.dtype)
        if directions_apart:
            return (jnp.einsum("tkbd,dkg->tkbg", x, kernel) + bias[None, :, None, :]).astype(self.dtype)
        product = x.reshape(-1, x.shape[-1]) @ kernel.reshape(kernel.shape[0], -1) + bias.reshape(1, -1)
        return product.astype(self.dtype).reshape(*x.shape[:2], *bias.shape)


class _LSTMCell(_Cell):
    """Gates i, f, g, o; `bias` [K, 4H] is the sum of PyTorch's two."""

    gates = 4

    def __init__(
        self, in_features: int, hidden: int, directions: int, rngs: nnx.Rngs, initializer: str, dtype: DTypeLike
    ):
        super().__init__(in_features, hidden, directions, rngs, initializer, dtype)
        bias = initializers.get_bias(initializer, fan_in=hidden)
        shape = (directions, 4 * hidden)
        self.bias = nnx.Param(bias(rngs.params(), shape, jnp.float32) + bias(rngs.params(), shape, jnp.float32))

    def __call__(self, x: Array, mask: Array, time_chunk: int) -> tuple[Array, Array]:
        if _computed_by.get() == "cudnn" and jnp.dtype(self.dtype) == jnp.float32:  # whose LSTMs are of float32 alone
            return cudnn.lstm(x, mask[:, 0, :, 0], self.input_kernel[...], self.recurrent_kernel[...], self.bias[...])
        return super().__call__(x, mask, time_chunk)

    def _scan(self, inputs: Array, mask: Array, state: Tree) -> tuple[Array, Tree]:
        return LSTM_SCANS[_computed_by.get()](inputs, self.recurrent_kernel[...], mask, state)

    def _zero_state(self, shape: tuple[int, ...]) -> Tree:
        hidden = self.recurrent_kernel.shape[1]
        return jnp.zeros((*shape, hidden), self.dtype), jnp.zeros((*shape, hidden), jnp.float32)


class _GRUCell(_Cell):
    """Gates r, z, n; `bias` [K, 3H] is the sum of PyTorch's two but for n, whose recurrent one [K, H] stands apart."""

    gates = 3

    def __init__(
        self, in_features: int, hidden: int, directions: int, rngs: nnx.Rngs, initializer: str, dtype: DTypeLike
    ):
        super().__init__(in_features, hidden, directions, rngs, initializer, dtype)
        draw = initializers.get_bias(initializer, fan_in=hidden)
        bias = draw(rngs.params(), (directions, 3 * hidden), jnp.float32)
        recurrent = draw(rngs.params(), (directions, 3 * hidden), jnp.float32)
        self.bias = nnx.Param(bias.at[:, : 2 * hidden].add(recurrent[:, : 2 * hidden]))
        self.recurrent_bias = nnx.Param(recurrent[:, 2 * hidden :])

    def _scan(self, inputs: Array, mask: Array, state: Tree) -> tuple[Array, Tree]:
        scan = GRU_SCANS[_computed_by.get()]
        return scan(inputs, self.recurrent_kernel[...], self.recurrent_bias[...], mask, state)

    def _zero_state(self, shape: tuple[int, ...]) -> Tree:
        return jnp.zeros((*shape, self.recurrent_kernel.shape[1]), jnp.float32)


class LSTM(_Recurrent):
    """Forward LSTM: x [B, T, D], mask [B, T] -> states [B, T, H], last state [B, H]."""

    cell, directions = _LSTMCell, 1


class BiLSTM(_Recurrent):
    """Bidirectional LSTM: x [B, T, D], mask [B, T] -> states [B, T, 2H], last states [B, 2H] (forward, backward)."""

    cell, directions = _LSTMCell, 2


class GRU(_Recurrent):
    """Forward GRU: x [B, T, D], mask [B, T] -> states [B, T, H], last state [B, H]."""

    cell, directions = _GRUCell, 1


class BiGRU(_Recurrent):
    """Bidirectional GRU: x [B, T, D], mask [B, T] -> states [B, T, 2H], last states [B, 2H] (forward, backward)."""

    cell, directions = _GRUCell, 2


State = tuple[Float[Array, "K B H"], Float[Array, "K B H"]]  # of an LSTM, h and c


@partial(jax.custom_vjp, nondiff_argnums=(4, 5))
def lstm_scan(
    inputs: Float[Array, "T K B 4*H"],
    kernel: Float[Array, "K H 4*H"],
    mask: Bool[Array, "T K B 1"],
    state: State,
    unroll: int = 1,
    joined: bool = False,
) -> tuple[Float[Array, "T K B H"], State]:
    """The hidden states of an LSTM, its gates before activation being inputs_t + h_{t-1} kernel, in order i, f, g, o.

    Computes in the dtype of `inputs`, with products summed and the cell state kept in float32. The gradient, for all
    but the mask, can be taken once, not twice.

    Args:
        state: before the first frame, h in the dtype of `inputs` and c in float32.
        unroll: steps in the body of the loop.
        joined: a step keeps one array, not three, where all are of float32, and the sum before the gates is not made by the
            product. XLA for a GPU then needs no copy in the loop, which it could not record into a CUDA graph.

    Returns:
        The hidden states, and the state after the last frame.
    """
    return _lstm_forward(inputs, kernel, mask, state, unroll, joined)[0]


def _lstm_forward(
    inputs: Array, kernel: Array, mask: Array, state: State, unroll: int, joined: bool
) -> tuple[Any, tuple[Any, ...]]:
    weights, hidden = kernel.astype(inputs.dtype), kernel.shape[1]
    joined = joined and inputs.dtype == jnp.float32

    def step(carry: tuple[Array, Array], now: tuple[Array, Array]) -> tuple[Any, Any]:
        h, c = carry
        product, valid = now
        recurrent = lax.optimization_barrier(_matmul(h, weights)) if joined else _matmul(h, weights)
        i, f, g, o = jnp.split(product + recurrent, 4, axis=-1)
        i, f, g, o = jax.nn.sigmoid(i), jax.nn.sigmoid(f), jnp.tanh(g), jax.nn.sigmoid(o)
        c_next = f * c + i * g
        h = jnp.where(valid, (o * jnp.tanh(c_next)).astype(h.dtype), h)
        c = jnp.where(valid, c_next, c)
        kept = h, c, jnp.concatenate([i, f, g, o], axis=-1).astype(h.dtype)
        return (h, c), jnp.concatenate(kept, axis=-1) if joined else kept

    last, kept = lax.scan(step, state, (inputs, mask), unroll=unroll)
    h, c, activated = jnp.split(kept, [hidden, 2 * hidden], axis=-1) if joined else kept
    return (h, last), (kernel, mask, state, h, c, activated)


def _lstm_backward(
    unroll: int, joined: bool, residuals: tuple[Any, ...], gradient: tuple[Array, State]
) -> tuple[Array, Array, None, State]:
    kernel, mask, (h_0, c_0), h, c, activated = residuals
    dh_out, (dh_last, dc_last) = gradient
    weights = _turned(kernel, h.dtype)

    def step(carry: tuple[Array, Array], now: tuple[Array, ...]) -> tuple[Any, Any]:
        dh, dc = carry
        dh_t, valid, c_before, c_t, gates_t = now
        i, f, g, o = jnp.split(gates_t.astype(jnp.float32), 4, axis=-1)
        dh = dh + dh_t
        tanh_c = jnp.tanh(c_t)
        dc_t = dc + dh * o * (1 - tanh_c**2)
        di, df, dg, do = dc_t * g, dc_t * c_before, dc_t * i, dh * tanh_c
        da = jnp.concatenate([di * i * (1 - i), df * f * (1 - f), dg * (1 - g**2), do * o * (1 - o)], axis=-1)
        da = jnp.where(valid, da, 0).astype(h.dtype)
        dh = jnp.where(valid, 0, dh) + _matmul(da, weights)
        return (dh, jnp.where(valid, dc_t * f, dc)), da

    last = dh_last.astype(jnp.float32), dc_last
    (dh, dc), da = lax.scan(step, last, (dh_out, mask, _delayed(c, c_0), c, activated), reverse=True, unroll=unroll)
    return da, _kernel_gradient(_delayed(h, h_0), da), None, (dh.astype(h.dtype), dc)


lstm_scan.defvjp(_lstm_forward, _lstm_backward)


@jax.custom_vjp
def lstm_kernel(inputs: Array, kernel: Array, mask: Array, state: State) -> tuple[Array, State]:
    """`lstm_scan` as one kernel of a TPU."""
    return _lstm_kernel_forward(inputs, kernel, mask, state)[0]


def _lstm_kernel_forward(inputs: Array, kernel: Array, mask: Array, state: State) -> tuple[Any, tuple[Any, ...]]:
    h, c, activated = pallas.lstm_forward(inputs, kernel, mask.astype(jnp.float32), state)
    return (h, (h[-1], c[-1])), (kernel, mask, state, h, c, activated)


def _lstm_kernel_backward(
    residuals: tuple[Any, ...], gradient: tuple[Array, State]
) -> tuple[Array, Array, None, State]:
    kernel, mask, (h_0, c_0), h, c, activated = residuals
    dh_out, (dh_last, dc_last) = gradient
    last = dh_last.astype(jnp.float32), dc_last
    valid = mask.astype(jnp.float32)
    da, (dh, dc) = pallas.lstm_backward(dh_out, valid, _delayed(c, c_0), c, activated, kernel, last)
    return da, _kernel_gradient(_delayed(h, h_0), da), None, (dh.astype(h.dtype), dc)


lstm_kernel.defvjp(_lstm_kernel_forward, _lstm_kernel_backward)


@partial(jax.custom_vjp, nondiff_argnums=(5, 6))
def gru_scan(
    inputs: Float[Array, "T K B 3*H"],
    kernel: Float[Array, "K H 3*H"],
    bias: Float[Array, "K H"],
    mask: Bool[Array, "T K B 1"],
    state: Float[Array, "K B H"],
    unroll: int = 1,
    joined: bool = False,
) -> tuple[Float[Array, "T K B H"], Float[Array, "K B H"]]:
    """The hidden states of a GRU in PyTorch's form: n = tanh(inputs_n + r (h_{t-1} kernel_n + bias)), gates r, z, n.

    Computes in the dtype of `inputs`, with products summed and the state kept in float32. The gradient, for all but
    the mask, can be taken once, not twice.

    Args:
        state: before the first frame, in float32.
        unroll: steps in the body of the loop.
        joined: a step keeps one array, not two, for the same reason as in `lstm_scan`.

    Returns:
        The hidden states, and the state after the last frame.
    """
    return _gru_forward(inputs, kernel, bias, mask, state, unroll, joined)[0]


def _gru_forward(
    inputs: Array, kernel: Array, bias: Array, mask: Array, state: Array, unroll: int, joined: bool
) -> tuple[Any, tuple[Array, ...]]:
    weights, hidden = kernel.astype(inputs.dtype), kernel.shape[1]

    def step(h: Array, now: tuple[Array, Array]) -> tuple[Any, Any]:
        product, valid = now
        recurrent = _matmul(h.astype(weights.dtype), weights)
        r, z = jnp.split(jax.nn.sigmoid((product + recurrent)[..., : 2 * hidden]), 2, axis=-1)
        u = recurrent[..., 2 * hidden :] + bias[:, None, :]
        n = jnp.tanh(product[..., 2 * hidden :] + r * u)
        h = jnp.where(valid, n + z * (h - n), h)
        kept = h.astype(weights.dtype), jnp.concatenate([r, z, n, u], axis=-1).astype(weights.dtype)
        return h, jnp.concatenate(kept, axis=-1) if joined else kept

    last, kept = lax.scan(step, state, (inputs, mask), unroll=unroll)
    h, activated = jnp.split(kept, [hidden], axis=-1) if joined else kept
    return (h, last), (kernel, mask, state, h, activated)


def _gru_backward(
    unroll: int, joined: bool, residuals: tuple[Array, ...], gradient: tuple[Array, Array]
) -> tuple[Array, Array, Array, None, Array]:
    kernel, mask, h_0, h, activated = residuals
    dh_out, dh_last = gradient
    weights = _turned(kernel, h.dtype)

    def step(carry: tuple[Array, Array], now: tuple[Array, ...]) -> tuple[Any, Any]:
        dh, dbias = carry
        dh_t, valid, h_before, gates_t = now
        r, z, n, u = jnp.split(gates_t.astype(jnp.float32), 4, axis=-1)
        dh = dh + dh_t
        dn = dh * (1 - z) * (1 - n**2)
        dr, dz, du = dn * u * r * (1 - r), dh * (h_before - n) * z * (1 - z), dn * r
        # Both in full: to put them together after the loop would be to copy them from memory to memory.
        of_inputs, of_product = (
            jnp.where(valid, jnp.concatenate([dr, dz, last], axis=-1), 0).astype(h.dtype) for last in (dn, du)
        )
        dh = jnp.where(valid, dh * z, dh) + _matmul(of_product, weights)
        return (dh, dbias + jnp.where(valid, du, 0)), (of_inputs, of_product)

    before, first = _delayed(h, h_0.astype(h.dtype)), (dh_last, jnp.zeros_like(dh_last))
    read = dh_out, mask, before, activated
    (dh, dbias), (dinputs, da) = lax.scan(step, first, read, reverse=True, unroll=unroll)
    return dinputs, _kernel_gradient(before, da), dbias.sum(axis=1), None, dh


gru_scan.defvjp(_gru_forward, _gru_backward)


@jax.custom_vjp
def gru_kernel(inputs: Array, kernel: Array, bias: Array, mask: Array, state: Array) -> tuple[Array, Array]:
    """`gru_scan` as one kernel of a TPU."""
    return _gru_kernel_forward(inputs, kernel, bias, mask, state)[0]


def _gru_kernel_forward(
    inputs: Array, kernel: Array, bias: Array, mask: Array, state: Array
) -> tuple[Any, tuple[Array, ...]]:
    h, exact, activated = pallas.gru_forward(inputs, kernel, bias, mask.astype(jnp.float32), state)
    return (h, exact[-1]), (kernel, mask, state, h, activated)


def _gru_kernel_backward(
    residuals: tuple[Array, ...], gradient: tuple[Array, Array]
) -> tuple[Array, Array, Array, None, Array]:
    kernel, mask, h_0, h, activated = residuals
    dh_out, dh_last = gradient
    before = _delayed(h, h_0.astype(h.dtype))
    dinputs, da, dh = pallas.gru_backward(dh_out, mask.astype(jnp.float32), before, activated, kernel, dh_last)
    dbias = jnp.sum(jnp.split(da, 3, axis=-1)[2], axis=(0, 2), dtype=jnp.float32)
    return dinputs, _kernel_gradient(before, da), dbias, None, dh


gru_kernel.defvjp(_gru_kernel_forward, _gru_kernel_backward)

LSTM_SCANS: dict[str, Callable[..., Any]] = {
    "scan": lstm_scan,
    "unrolled": partial(lstm_scan, unroll=UNROLLED_STEPS),
    "graph": partial(lstm_scan, joined=True),
    "pallas": lstm_kernel,
    "cudnn": lstm_scan,  # where cuDNN has none
}
GRU_SCANS: dict[str, Callable[..., Any]] = {
    "scan": gru_scan,
    "unrolled": partial(gru_scan, unroll=UNROLLED_STEPS),
    "graph": partial(gru_scan, joined=True),
    "pallas": gru_kernel,
    "cudnn": gru_scan,
}


def _draw(init: initializers.Initializer, rngs: nnx.Rngs, directions: int, rows: int, columns: int) -> Array:
    """[rows, K, columns], each direction's kernel drawn by itself, since its fans are its own."""
    keys = jax.random.split(rngs.params(), directions)
    return jax.vmap(lambda key: init(key, (rows, columns), jnp.float32), out_axes=1)(keys)


def _fold(x: Float[Array, "T B K F"]) -> Float[Array, "T K B F"]:
    """Each direction in its own order of time."""
    directions = [x[:, :, 0], x[::-1, :, 1]] if x.shape[2] == 2 else [x[:, :, 0]]
    return jnp.stack(directions, axis=1)


def _unfold(states: Float[Array, "T K B H"]) -> Float[Array, "T B K*H"]:
    """The directions side by side, each frame's states together."""
    return jnp.concatenate([states[:, 0], states[::-1, 1]], axis=-1) if states.shape[1] == 2 else states[:, 0]


def _chunked(rows: Shaped[Array, "T ..."], size: int) -> Shaped[Array, "N size ..."]:
    """Filled up with zeros, or False, at the end of time."""
    padded = jnp.pad(rows, [(0, -len(rows) % size), *[(0, 0)] * (rows.ndim - 1)])
    return padded.reshape(-1, size, *rows.shape[1:])


def _delayed(states: Float[Array, "T K B H"], first: Float[Array, "K B H"]) -> Float[Array, "T K B H"]:
    """The state before each step."""
    return jnp.concatenate([first[None], states[:-1]])


def _matmul(x: Float[Array, "K B D"], kernel: Float[Array, "K D E"]) -> Float[Array, "K B E"]:
    return lax.dot_general(x, kernel, (((2,), (1,)), ((0,), (0,))), preferred_element_type=jnp.float32)


def _turned(kernel: Float[Array, "K H G"], dtype: DTypeLike) -> Float[Array, "K G H"]:
    # Once before the loop: a product over the kernel's last axis turns it in every step, on a CPU, where with small
    # batches that takes longer than the product.
    return jnp.swapaxes(kernel.astype(dtype), 1, 2)


def _kernel_gradient(before: Float[Array, "T K B H"], da: Float[Array, "T K B G"]) -> Float[Array, "K H G"]:
    # A product for each direction: with the directions as a batch axis XLA's CPU products took up to three times as long.
    def of_direction(before: Float[Array, "T B H"], da: Float[Array, "T B G"]) -> Float[Array, "H G"]:
        rows = before.reshape(-1, before.shape[-1]), da.reshape(-1, da.shape[-1])
        return lax.dot_general(*rows, (((0,), (0,)), ((), ())), preferred_element_type=jnp.float32)

    return jnp.stack([of_direction(before[:, k], da[:, k]) for k in range(da.shape[1])])
