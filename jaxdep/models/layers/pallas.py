"""The scans of recurrent.py as one kernel for a TPU (Pallas, Mosaic): states and recurrent weights stay on the chip.

A scan of XLA's starts several small operations a time step, each with its way to the device's memory and back. Here a
grid cell is one direction of one seed (the axis that vmap puts before the others) and some frames of time; the cells of
a direction follow one another, and hand the state on in scratch memory. What is kept for the gradient, and the gradient
of the recurrent kernel, which is one product after the loop, are those of recurrent.py: its scans are the reference.

Compiled for TPUs and run in Pallas's interpreter; never yet on hardware. Axes as there; time leads.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

_BLOCK_BYTES = 1 << 20  # of the largest block, of which two are on the chip, one coming in while the other is used


def lstm_forward(
    inputs: Float[Array, "T K B 4*H"],
    kernel: Float[Array, "K H 4*H"],
    valid: Float[Array, "T K B 1"],
    state: tuple[Float[Array, "K B H"], Float[Array, "K B H"]],
) -> tuple[Float[Array, "T K B H"], Float[Array, "T K B H"], Float[Array, "T K B 4*H"]]:
    """The states h and c after every frame, and the activated gates; `valid` is 1 or 0."""
    hidden, dtype = kernel.shape[1], inputs.dtype

    def step(t: Array, read: Any, fixed: Any, carried: Any, write: Any) -> None:
        (inputs, valid), (weights,), (h_ref, c_ref) = read, fixed, carried
        h, c = h_ref[...], c_ref[...]
        gates = inputs[t].astype(jnp.float32) + _matmul(h.astype(dtype), weights[...])
        i, f = jax.nn.sigmoid(gates[:, :hidden]), jax.nn.sigmoid(gates[:, hidden : 2 * hidden])
        g, o = jnp.tanh(gates[:, 2 * hidden : 3 * hidden]), jax.nn.sigmoid(gates[:, 3 * hidden :])
        c_next, is_valid = f * c + i * g, valid[t] > 0
        h_ref[...] = jnp.where(is_valid, (o * jnp.tanh(c_next)).astype(dtype).astype(jnp.float32), h)
        c_ref[...] = jnp.where(is_valid, c_next, c)
        h_out, c_out, gates_out = write
        h_out[t], c_out[t] = h_ref[...].astype(dtype), c_ref[...]
        gates_out[t] = jnp.concatenate([i, f, g, o], axis=-1).astype(dtype)

    states = [part.astype(jnp.float32) for part in state]
    outputs = [(hidden, dtype), (hidden, jnp.float32), (4 * hidden, dtype)]
    return _over_time(step, [inputs, valid], [kernel.astype(dtype)], states, outputs, reverse=False)[0]


def lstm_backward(
    dh_out: Float[Array, "T K B H"],
    valid: Float[Array, "T K B 1"],
    c_before: Float[Array, "T K B H"],
    c: Float[Array, "T K B H"],
    gates: Float[Array, "T K B 4*H"],
    kernel: Float[Array, "K H 4*H"],
    last: tuple[Float[Array, "K B H"], Float[Array, "K B H"]],
) -> tuple[Float[Array, "T K B 4*H"], tuple[Float[Array, "K B H"], Float[Array, "K B H"]]]:
    """The gradient of the gates before activation, and that of the first state."""
    hidden, dtype = kernel.shape[1], gates.dtype

    def step(t: Array, read: Any, fixed: Any, carried: Any, write: Any) -> None:
        dh_out, valid, c_before, c, gates = (ref[t].astype(jnp.float32) for ref in read)
        (weights,), (dh_ref, dc_ref), (da_out,) = fixed, carried, write
        i, f, g, o = (gates[:, start : start + hidden] for start in range(0, 4 * hidden, hidden))
        is_valid = valid > 0
        dh, tanh_c = dh_ref[...] + dh_out, jnp.tanh(c)
        dc = dc_ref[...] + dh * o * (1 - tanh_c**2)
        di, df, dg, do = (
            dc * g * i * (1 - i),
            dc * c_before * f * (1 - f),
            dc * i * (1 - g**2),
            dh * tanh_c * o * (1 - o),
        )
        da = jnp.where(is_valid, jnp.concatenate([di, df, dg, do], axis=-1), 0).astype(dtype)
        dh_ref[...] = jnp.where(is_valid, 0, dh) + _matmul_transposed(da, weights[...])
        dc_ref[...] = jnp.where(is_valid, dc * f, dc_ref[...])
        da_out[t] = da

    read = [dh_out, valid, c_before, c, gates]
    (da,), (dh, dc) = _over_time(step, read, [kernel.astype(dtype)], list(last), [(4 * hidden, dtype)], reverse=True)
    return da, (dh, dc)


def gru_forward(
    inputs: Float[Array, "T K B 3*H"],
    kernel: Float[Array, "K H 3*H"],
    bias: Float[Array, "K H"],
    valid: Float[Array, "T K B 1"],
    state: Float[Array, "K B H"],
) -> tuple[Float[Array, "T K B H"], Float[Array, "T K B H"], Float[Array, "T K B 4*H"]]:
    """The states after every frame in the dtype of the inputs and in float32, and r, z, n and u."""
    hidden, dtype = kernel.shape[1], inputs.dtype

    def step(t: Array, read: Any, fixed: Any, carried: Any, write: Any) -> None:
        (inputs, valid), (weights, bias), (h_ref,) = read, fixed, carried
        h, product = h_ref[...], inputs[t].astype(jnp.float32)
        recurrent = _matmul(h.astype(dtype), weights[...])
        gates = jax.nn.sigmoid((product + recurrent)[:, : 2 * hidden])
        r, z = gates[:, :hidden], gates[:, hidden:]
        u = recurrent[:, 2 * hidden :] + bias[...]
        n = jnp.tanh(product[:, 2 * hidden :] + r * u)
        h_ref[...] = jnp.where(valid[t] > 0, n + z * (h - n), h)
        h_out, gates_out = write
        h_out[t], gates_out[t] = h_ref[...], jnp.concatenate([r, z, n, u], axis=-1).astype(dtype)

    outputs = [(hidden, jnp.float32), (4 * hidden, dtype)]
    fixed = [kernel.astype(dtype), bias[:, None, :]]
    (h, gates), _ = _over_time(step, [inputs, valid], fixed, [state], outputs, reverse=False)
    return h.astype(dtype), h, gates


def gru_backward(
    dh_out: Float[Array, "T K B H"],
    valid: Float[Array, "T K B 1"],
    before: Float[Array, "T K B H"],
    gates: Float[Array, "T K B 4*H"],
    kernel: Float[Array, "K H 3*H"],
    last: Float[Array, "K B H"],
) -> tuple[Float[Array, "T K B 3*H"], Float[Array, "T K B 3*H"], Float[Array, "K B H"]]:
    """The gradients of the inputs (r, z, n), of the recurrent product (r, z, u), and of the first state."""
    hidden, dtype = kernel.shape[1], gates.dtype

    def step(t: Array, read: Any, fixed: Any, carried: Any, write: Any) -> None:
        dh_out, valid, before, gates = (ref[t].astype(jnp.float32) for ref in read)
        (weights,), (dh_ref,), (dinputs_out, da_out) = fixed, carried, write
        r, z, n, u = (gates[:, start : start + hidden] for start in range(0, 4 * hidden, hidden))
        dh, is_valid = dh_ref[...] + dh_out, valid > 0
        dn = dh * (1 - z) * (1 - n**2)
        dr, dz, du = dn * u * r * (1 - r), dh * (before - n) * z * (1 - z), dn * r
        dinputs, da = (
            jnp.where(is_valid, jnp.concatenate([dr, dz, last], axis=-1), 0).astype(dtype) for last in (dn, du)
        )
        dh_ref[...] = jnp.where(is_valid, dh * z, dh) + _matmul_transposed(da, weights[...])
        dinputs_out[t], da_out[t] = dinputs, da

    outputs = [(3 * hidden, dtype)] * 2
    read = [dh_out, valid, before, gates]
    (dinputs, da), (dh,) = _over_time(step, read, [kernel.astype(dtype)], [last], outputs, reverse=True)
    return dinputs, da, dh


def _over_time(
    step: Callable[..., None],
    read: Sequence[Array],
    fixed: Sequence[Array],
    states: Sequence[Array],
    outputs: Sequence[tuple[int, Any]],
    *,
    reverse: bool,
) -> tuple[Any, Any]:
    """Runs a step for every frame of every direction, from the first or from the last one on.

    Args:
        step: takes the frame's place in its block, references to the blocks of `read` [frames, B, F], to `fixed` [...],
            to the carried states [B, H], and to the blocks of the outputs.
        read: [T, K, B, F]. fixed: [K, ...]. states: [K, B, H], float32.
        outputs: the last axis and the dtype of each.

    Returns:
        The outputs, [T, K, B, F], and the states after the last step.
    """
    from jax.experimental import pallas as pl  # takes most of a second, which every start would pay
    from jax.experimental.pallas import tpu as pltpu

    frames, directions, batch = read[0].shape[:3]
    widest = max(array.shape[-1] for array in read)
    block = max(1, min(frames, _BLOCK_BYTES // (4 * batch * widest)))
    blocks = pl.cdiv(frames, block)

    def place(time: Array) -> Array:
        return blocks - 1 - time if reverse else time

    def of_time(width: int) -> Any:
        return pl.BlockSpec((block, None, batch, width), lambda k, t: (place(t), k, 0, 0))

    def of_direction(shape: tuple[int, ...]) -> Any:
        return pl.BlockSpec((None, *shape[1:]), lambda k, t: (k, 0, 0))

    counts = len(read), len(fixed), len(states), len(outputs), len(states)

    def kernel(*refs: Any) -> None:
        ends = [sum(counts[: index + 1]) for index in range(len(counts))]
        read, fixed, first, write, last = (refs[end - n : end] for end, n in zip(ends, counts, strict=True))
        carried, time = refs[ends[-1] :], pl.program_id(1)

        @pl.when(time == 0)
        def _() -> None:
            for ref, value in zip(carried, first, strict=True):
                ref[...] = value[...]

        # The last block may reach beyond the end of time.
        here = jnp.minimum(block, frames - place(time) * block)

        def one(index: Array, _: None) -> None:
            step(here - 1 - index if reverse else index, read, fixed, carried, write)

        lax.fori_loop(0, here, one, None)

        @pl.when(time == blocks - 1)
        def _() -> None:
            for ref, value in zip(last, carried, strict=True):
                ref[...] = value[...]

    shapes = [jax.ShapeDtypeStruct((frames, directions, batch, width), dtype) for width, dtype in outputs]
    found = pl.pallas_call(
        kernel,
        grid=(directions, blocks),
        in_specs=[
            *(of_time(array.shape[-1]) for array in read),
            *(of_direction(array.shape) for array in (*fixed, *states)),
        ],
        out_specs=[*(of_time(width) for width, _ in outputs), *(of_direction(state.shape) for state in states)],
        out_shape=[*shapes, *(jax.ShapeDtypeStruct(state.shape, jnp.float32) for state in states)],
        scratch_shapes=[pltpu.VMEM(state.shape[1:], jnp.float32) for state in states],
        cost_estimate=pl.CostEstimate(
            flops=2 * frames * directions * batch * math.prod(fixed[0].shape[1:]),
            bytes_accessed=sum(array.nbytes for array in (*read, *fixed)) + sum(map(_nbytes, shapes)),
            transcendentals=4 * frames * directions * batch * states[0].shape[-1],
        ),
    )(*read, *fixed, *states)
    return tuple(found[: len(outputs)]), tuple(found[len(outputs) :])


def _nbytes(shape: jax.ShapeDtypeStruct) -> int:
    return math.prod(shape.shape) * shape.dtype.itemsize


def _product(left: Array, right: Array, axis: int) -> Array:
    """Over the last axis of `left` and that one of `right`, summed in float32."""
    # Mosaic refuses to raise the precision of bfloat16 products, which are exact as they are.
    precision = lax.Precision.DEFAULT if left.dtype == jnp.bfloat16 else None
    axes = (((1,), (axis,)), ((), ()))
    return lax.dot_general(left, right, axes, precision=precision, preferred_element_type=jnp.float32)


_matmul, _matmul_transposed = partial(_product, axis=0), partial(_product, axis=1)
