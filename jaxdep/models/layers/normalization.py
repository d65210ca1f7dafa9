"""Batch normalisation that sees the valid cells of a batch alone, over all devices that share it, and layer normalisation."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float

from jaxdep.models import Step


class BatchNorm(nnx.Module):
    """Normalises each channel by its mean and variance over a batch (Ioffe and Szegedy 2015): x [..., C] -> [..., C].

    In training these are of the batch's valid cells, and enter the running ones, which evaluation takes; as in PyTorch,
    the variance is the biased one in the batch, the unbiased one in the running mean. A batch without a valid cell
    leaves the running ones as they were. The running ones are `nnx.BatchStat`s: each seed has its own.
    """

    def __init__(self, channels: int, *, momentum: float = 0.1, epsilon: float = 1e-5, dtype: DTypeLike = jnp.float32):
        """`momentum` is the share of a batch in the running statistics, as PyTorch counts it."""
        self.momentum, self.epsilon, self.dtype = momentum, epsilon, dtype
        self.scale, self.bias = nnx.Param(jnp.ones(channels)), nnx.Param(jnp.zeros(channels))
        self.mean, self.variance = nnx.BatchStat(jnp.zeros(channels)), nnx.BatchStat(jnp.ones(channels))

    def __call__(
        self, x: Float[Array, "*cells C"], step: Step | None, mask: Bool[Array, "*cells"] | None = None
    ) -> Float[Array, "*cells C"]:
        """The normalised cells, zero where `mask` is False.

        Args:
            mask: the cells that count. Of a feature it is its own mask, which is False in examples that only fill up a
                batch. Without one, x is [B, C] and all of the batch's valid examples count. The others must be finite: they
                count zero times.
        """
        x = x.astype(jnp.float32)
        if mask is None:
            mask = jnp.ones(x.shape[:-1], bool) if step is None else step.valid
        if step is None:
            scale = self.scale[...] * lax.rsqrt(self.variance[...] + self.epsilon)
            normalized = (x - _row(self.mean[...], x)) * _row(scale, x) + _row(self.bias[...], x)
            return jnp.where(mask[..., None], normalized, 0).astype(self.dtype)
        y, of_batch = _normalized(x, mask, self.scale[...], self.bias[...], self.epsilon, step.axis)
        self._remember(*of_batch)
        return y.astype(self.dtype)

    def _remember(self, count: Array, mean: Array, variance: Array) -> None:
        """Takes a batch's moments into the running ones."""
        unbiased = variance * count / jnp.maximum(count - 1, 1)
        share = jnp.where(count > 0, self.momentum, 0)
        self.mean[...] = self.mean[...] + share * (lax.stop_gradient(mean) - self.mean[...])
        self.variance[...] = self.variance[...] + share * (lax.stop_gradient(unbiased) - self.variance[...])


Moments = tuple[Array, Array, Array]  # [1] how many cells are valid, [C] their mean and [C] their biased variance


@partial(jax.custom_vjp, nondiff_argnums=(4, 5))
def _normalized(
    x: Array, mask: Array, scale: Array, bias: Array, epsilon: float, axis: str | None
) -> tuple[Array, Moments]:
    """The cells normalised by their batch, zero where `mask` is False, and the batch's moments, which have no gradient.

    The way back is written out: derived from the way forwards, it goes over all cells more than twice as often.
    """
    return _normalized_forwards(x, mask, scale, bias, epsilon, axis)[0]


def _normalized_forwards(
    x: Array, mask: Array, scale: Array, bias: Array, epsilon: float, axis: str | None
) -> tuple[tuple[Array, Moments], tuple[Array, ...]]:
    count = _total(jnp.ones((*mask.shape, 1)), mask, axis)
    mean = _total(x, mask, axis) / jnp.maximum(count, 1)
    variance = _total((x - _row(mean, x)) ** 2, mask, axis) / jnp.maximum(count, 1)
    inverse = lax.rsqrt(variance + epsilon)
    y = (x - _row(mean, x)) * _row(scale * inverse, x) + _row(bias, x)
    return (jnp.where(mask[..., None], y, 0), (count, mean, variance)), (x, mask, scale, count, mean, inverse)


def _normalized_backwards(
    epsilon: float, axis: str | None, kept: tuple[Array, ...], gradients: tuple[Array, Moments]
) -> tuple[Array, None, Array, Array]:
    """Ioffe and Szegedy 2015, section 3, of the valid cells."""
    x, mask, scale, count, mean, inverse = kept
    dy, _ = gradients
    standardised = (x - _row(mean, x)) * _row(inverse, x)
    of_bias, of_scale = _total(dy, mask, None), _total(dy * standardised, mask, None)
    every = [one if axis is None else lax.psum(one, axis) for one in (of_bias, of_scale)]
    common, along = (_row(one / jnp.maximum(count, 1), x) for one in every)
    of_x = _row(scale * inverse, x) * (dy - common - standardised * along)
    return jnp.where(mask[..., None], of_x, 0), None, of_scale, of_bias


_normalized.defvjp(_normalized_forwards, _normalized_backwards)


def _total(values: Float[Array, "*cells C"], mask: Bool[Array, "*cells"], axis: str | None) -> Float[Array, " C"]:
    """The sum of the valid cells, on all devices that share the batch.

    As products of each example's cells with its mask: of a sum over all of them XLA for a CPU makes one of many windows,
    behind a copy of the masked cells, which takes up to six times as long.
    """
    cells = values.reshape(len(values), -1, values.shape[-1])
    weights = mask.reshape(len(mask), 1, -1).astype(values.dtype)
    of_each = lax.dot_general(weights, cells, (((2,), (1,)), ((0,), (0,))), precision=lax.Precision.HIGHEST)
    own = of_each.sum((0, 1))
    return own if axis is None else lax.psum(own, axis)


def layer_norm(dim: int, options: Mapping[str, Any]) -> nnx.LayerNorm:
    """Normalises each vector by its own mean and variance (Ba et al. 2016), with PyTorch's epsilon.

    `options` are those of `dense.linear`; of an initialiser there is no use.
    """
    # E[x^2] - E[x]^2 loses what float32 has of a small variance.
    return nnx.LayerNorm(dim, epsilon=1e-5, use_fast_variance=False, dtype=options["dtype"], rngs=options["rngs"])


def _row(channels: Float[Array, " C"], x: Float[Array, "*cells C"]) -> Array:
    """[C] as [1, ..., 1, C], since ranks are never promoted here."""
    return channels.reshape((1,) * (x.ndim - 1) + channels.shape)
