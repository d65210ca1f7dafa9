"""Frames joined with their neighbours, and the convolution over time that is a matrix product on them.

It is no `lax.conv` on purpose: mapped over seeds, convolutions become one grouped convolution, which is several times
slower than the products. Nor is it the sum of a product for each neighbour, which saves the joined copy: with few
channels it took a quarter longer, with many as long.
"""

from collections.abc import Sequence
from typing import Literal

import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float

from input_pipeline.config import ConfigError
from jaxdep.models.layers.dense import linear
from jaxdep.models.layers.pooling import last_valid

Edges = Literal["valid", "replicate", "zeros"]


class Convolution(nnx.Module):
    """One-dimensional convolution over time: x [B, T, D], mask [B, T] -> [B, T, C].

    Zeros stand for the frames beyond the ends and for masked ones.
    """

    def __init__(
        self,
        in_features: int,
        channels: int,
        kernel: int = 3,
        *,
        rngs: nnx.Rngs,
        initializer: str = "pytorch",
        dtype: DTypeLike = jnp.float32,
    ):
        """`kernel` is an odd number of frames. Raises ConfigError where `initializer` names none."""
        self.offsets = tuple(range(-(kernel // 2), kernel // 2 + 1))
        self.joined = linear(kernel * in_features, channels, rngs=rngs, initializer=initializer, dtype=dtype)

    def __call__(self, x: Float[Array, "B T D"], mask: Bool[Array, "B T"]) -> Float[Array, "B T C"]:
        """Every frame's channels, also those of masked ones."""
        return self.joined(splice(x.astype(self.joined.dtype), mask, self.offsets, "zeros")[0])


def splice(
    x: Float[Array, "B T D"], mask: Bool[Array, "B T"], offsets: Sequence[int], edges: Edges = "valid"
) -> tuple[Float[Array, "B U K*D"], Bool[Array, "B U"]]:
    """Each frame joined with its neighbours at `offsets`, one after another in the order given.

    Args:
        x, mask: frames, padded on the right.
        offsets: positions relative to the frame.
        edges: "valid" keeps the frames whose neighbours all exist, so that U = T minus the offsets' span and the mask
            loses as many; "replicate" lets the first and the last valid frame stand for those beyond, "zeros" lets
            zeros, and U = T.

    Returns:
        The joined frames, and the mask of those that are valid.

    Raises:
        ConfigError: T is not longer than the span of the offsets, under "valid".
    """
    before, after = max(0, -min(offsets)), max(0, max(offsets))
    frames = x.shape[1]
    if edges == "valid":
        frames -= before + after
        if frames < 1:
            raise ConfigError(
                f"context {tuple(offsets)} needs {before + after + 1} frames, found {x.shape[1]}; pad the batch"
            )
        mask = jnp.all(jnp.stack([mask[:, before + o : before + o + frames] for o in offsets]), axis=0)
    elif edges == "replicate":
        x = _extended(x, mask, before, after)
    else:
        x = jnp.pad(jnp.where(mask[:, :, None], x, 0), [(0, 0), (before, after), (0, 0)])
    return jnp.concatenate([x[:, before + o : before + o + frames] for o in offsets], axis=-1), mask


def _extended(x: Float[Array, "B T D"], mask: Bool[Array, "B T"], before: int, after: int) -> Float[Array, "B V D"]:
    """x with its first frame repeated ahead, and its last valid frame in the padding and `after` frames beyond."""
    last = last_valid(x, mask)[:, None, :]
    filled = jnp.where(mask[:, :, None], x, last)
    return jnp.concatenate([jnp.repeat(filled[:, :1], before, axis=1), filled, jnp.repeat(last, after, axis=1)], axis=1)
