"""Pooling over the valid frames of padded sequences: x [B, T, D] and a mask [B, T] give [B, D], or fewer frames.

A sequence without any valid frame gives zeros, and its gradient is zero: never NaN. Means and deviations are float32.
"""

import functools
from typing import Literal

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

Pooling = Literal["final", "mean", "max", "mean_std"]


def pool_states(
    pooling: Pooling, states: Float[Array, "B T D"], final: Float[Array, "B D"], mask: Bool[Array, "B T"]
) -> Float[Array, "B P"]:
    """The states of a recurrent layer as one vector, P = D: the last ones, or their mean, maximum, or, P = 2 D, mean
    and deviation over the valid frames."""
    if pooling == "final":
        return final
    return {"mean": masked_mean, "max": masked_max, "mean_std": masked_mean_std}[pooling](states, mask)


def masked_mean(x: Float[Array, "B T D"], mask: Bool[Array, "B T"]) -> Float[Array, "B D"]:
    """The mean over the valid frames."""
    return jnp.sum(_zeroed(x, mask), axis=1, dtype=jnp.float32) / _count(mask)


def masked_std(x: Float[Array, "B T D"], mask: Bool[Array, "B T"]) -> Float[Array, "B D"]:
    """The standard deviation over the valid frames, with divisor n, as in statistics pooling (Snyder et al. 2018).

    A constant sequence has deviation 0, and there the gradient, which does not exist, is taken as 0.
    """
    deviation = _zeroed(x - masked_mean(x, mask)[:, None, :], mask)
    variance = jnp.sum(deviation**2, axis=1) / _count(mask)
    varies = variance > 0
    return jnp.where(varies, jnp.sqrt(jnp.where(varies, variance, 1)), 0)


def masked_mean_std(x: Float[Array, "B T D"], mask: Bool[Array, "B T"]) -> Float[Array, "B 2*D"]:
    """`masked_mean` and `masked_std` side by side."""
    return jnp.concatenate([masked_mean(x, mask), masked_std(x, mask)], axis=-1)


def masked_max(x: Float[Array, "B T D"], mask: Bool[Array, "B T"]) -> Float[Array, "B D"]:
    """The maximum over the valid frames."""
    largest = jnp.max(jnp.where(mask[:, :, None], x, jnp.finfo(x.dtype).min), axis=1)
    return jnp.where(jnp.any(mask, axis=1)[:, None], largest, 0)


def max_pool(
    x: Float[Array, "B T D"], mask: Bool[Array, "B T"], size: int
) -> tuple[Float[Array, "B U D"], Bool[Array, "B U"]]:
    """The maximum of every `size` frames, U = ⌈T / size⌉, and which of them hold a valid frame; the others are zero.

    Equal frames share the gradient.
    """
    batch, frames, dim = x.shape
    rest, least = -frames % size, jnp.finfo(x.dtype).min
    x = jnp.pad(jnp.where(mask[:, :, None], x, least), [(0, 0), (0, rest), (0, 0)], constant_values=least)
    pooled = _maximum(x.reshape(batch, -1, size, dim))
    mask = jnp.any(jnp.pad(mask, [(0, 0), (0, rest)]).reshape(batch, -1, size), axis=2)
    return jnp.where(mask[:, :, None], pooled, 0), mask


def max_pool_2d(x: Float[Array, "B H W C"], size: int) -> Float[Array, "B H//size W//size C"]:
    """The maximum of every `size` x `size` places of an image; the rows and columns that are left over are left out.

    Equal places share the gradient.
    """
    batch, rows, columns, channels = x.shape[0], x.shape[1] // size, x.shape[2] // size, x.shape[3]
    x = x[:, : rows * size, : columns * size]
    x = _maximum(x.reshape(batch * rows * size, columns, size, channels))
    return _maximum(x.reshape(batch, rows, size, columns * channels)).reshape(batch, rows, columns, channels)


def max_pool_overlapping(x: Float[Array, "B H W C"], size: int, stride: int) -> Float[Array, "B h w C"]:
    """The maximum of the `size` x `size` places around every `stride`-th one, from the first on: h = ⌈H / stride⌉; `size` is odd.

    Places beyond the edges do not count. Equal places share the gradient.
    """
    reach, least = size // 2, jnp.finfo(x.dtype).min
    for axis in (1, 2):
        extent, edges = x.shape[axis], [(0, 0)] * 4
        edges[axis] = (reach, reach)
        padded = jnp.pad(x, edges, constant_values=least)
        taps = [lax.slice_in_dim(padded, start, start + extent, stride, axis) for start in range(size)]
        x = functools.reduce(jnp.maximum, taps)
    return x


def last_valid(x: Float[Array, "B T D"], mask: Bool[Array, "B T"]) -> Float[Array, "B D"]:
    """The last valid frame."""
    last = mask.shape[1] - 1 - jnp.argmax(mask[:, ::-1], axis=1)
    frame = jnp.take_along_axis(x, last[:, None, None], axis=1)[:, 0]
    return jnp.where(jnp.any(mask, axis=1)[:, None], frame, 0)


def _zeroed(x: Float[Array, "B T D"], mask: Bool[Array, "B T"]) -> Float[Array, "B T D"]:
    return jnp.where(mask[:, :, None], x, 0)


def _count(mask: Bool[Array, "B T"]) -> Float[Array, "B 1"]:
    return jnp.maximum(jnp.sum(mask, axis=1, keepdims=True), 1).astype(jnp.float32)


@jax.custom_vjp
def _maximum(x: Float[Array, "B U size D"]) -> Float[Array, "B U D"]:
    """`jnp.max` over the third axis, with its gradient, which is never NaN.

    That gradient looks for the frames that equal the maximum. Where the compiler computes the frames once more and rounds
    otherwise, as behind a batch norm on a CPU, none does, and `jnp.max` divides by zero; here the first largest has it.
    """
    return jnp.max(x, axis=2)


def _maximum_forwards(x: Array) -> tuple[Array, tuple[Array, Array]]:
    pooled = jnp.max(x, axis=2)
    return pooled, (x, pooled)


def _maximum_backwards(kept: tuple[Array, Array], gradient: Array) -> tuple[Array]:
    x, pooled = kept
    equal = (x == pooled[:, :, None]).astype(x.dtype)
    count = jnp.sum(equal, axis=2)
    first = jnp.arange(x.shape[2]).reshape(1, 1, -1, 1) == jnp.argmax(x, axis=2, keepdims=True)
    share = jnp.where(count[:, :, None] > 0, equal, first.astype(x.dtype))
    return ((gradient / jnp.maximum(count, 1))[:, :, None] * share,)


_maximum.defvjp(_maximum_forwards, _maximum_backwards)
