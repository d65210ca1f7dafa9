"""The residual time delay network (Res-TDNN) that encodes frames in the emotion model.

Every layer is a matrix product on frames joined with their neighbours, as in `convolution`.
"""

from collections.abc import Sequence
from typing import get_args

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Key

from input_pipeline.config import ConfigError
from jaxdep.models.layers.convolution import Edges, splice
from jaxdep.models.layers.dense import Linear, dropout, linear


class ResTDNN(nnx.Module):
    """Input splice, a first dense layer, then two-tap TDNN layers, each followed by a residual block.

    "Climate and Weather" (ICASSP 2022), section 2.2, gives the widths and contexts; the order of the layers is that
    of the TSB-TAB code of the same group. There 118 frames give 100: the splice repeats the first and last frame at
    the edges and keeps 118, the taps (-1, 2), (-3, 3), (-7, 2) then take 3, 6 and 9 frames.
    """

    def __init__(
        self,
        in_features: int,
        width: int = 512,
        *,
        rngs: nnx.Rngs,
        splice_offsets: Sequence[int] = (-2, -1, 0, 1, 2),
        taps: Sequence[Sequence[int]] = ((-1, 2), (-3, 3), (-7, 2)),
        splice_edges: Edges = "replicate",
        tap_edges: Edges = "valid",
        dropout_rate: float = 0.5,
        initializer: str = "lecun_normal",
        dtype: DTypeLike = jnp.float32,
    ):
        """`*_edges` say what stands for frames beyond the ends, see `splice`. Raises ConfigError for a wrong choice."""
        self.splice_offsets, self.splice_edges = tuple(splice_offsets), splice_edges
        self.taps, self.tap_edges = tuple(tuple(offsets) for offsets in taps), tap_edges
        self.dtype = dtype
        inputs = [len(splice_offsets) * in_features] + [len(offsets) * width for offsets in self.taps]
        _check_edges(splice_edges, tap_edges)
        self.layers: nnx.List[Linear] = nnx.List()
        self.blocks: nnx.List[ResidualBlock] = nnx.List()
        for features in inputs:
            self.layers.append(linear(features, width, rngs=rngs, initializer=initializer, dtype=dtype))
            self.blocks.append(ResidualBlock(width, dropout_rate, rngs=rngs, initializer=initializer, dtype=dtype))

    def __call__(
        self, x: Float[Array, "B T D"], mask: Bool[Array, "B T"], key: Key[Array, ""] | None = None
    ) -> tuple[Float[Array, "B U W"], Bool[Array, "B U"]]:
        """The encoded frames, and which of them are valid: those all of whose context is.

        Args:
            x, mask: frames, padded on the right.
            key: draws the dropout; none without it.

        Raises:
            ConfigError: T is too short for one output frame under edges "valid".
        """
        keys = [None] * len(self.blocks) if key is None else list(jax.random.split(key, len(self.blocks)))
        offsets = (self.splice_offsets, *self.taps)
        edges = (self.splice_edges, *[self.tap_edges] * len(self.taps))
        x = jnp.where(mask[:, :, None], x, 0).astype(self.dtype)
        for layer, block, context, edge, block_key in zip(self.layers, self.blocks, offsets, edges, keys, strict=True):
            x, mask = splice(x, mask, context, edge)
            x = block(jax.nn.relu(layer(x)), block_key)
        return x, mask


class ResidualBlock(nnx.Module):
    """ReLU(dropout(FC(ReLU(FC(x))) + x + b)), with b starting at ones (TSB-TAB code)."""

    def __init__(
        self,
        width: int,
        dropout_rate: float = 0.5,
        *,
        rngs: nnx.Rngs,
        initializer: str = "lecun_normal",
        dtype: DTypeLike = jnp.float32,
    ):
        self.inner = linear(width, width, rngs=rngs, initializer=initializer, dtype=dtype)
        self.outer = linear(width, width, rngs=rngs, initializer=initializer, dtype=dtype)
        self.bias = nnx.Param(jnp.ones((width,), jnp.float32))
        self.dropout_rate = dropout_rate

    def __call__(self, x: Float[Array, "B T W"], key: Key[Array, ""] | None = None) -> Float[Array, "B T W"]:
        """The block's output; dropout only with a key."""
        bias = self.bias[...][None, None, :]  # float32, as its gradient's sum over all frames is to be
        summed = (self.outer(jax.nn.relu(self.inner(x))) + x + bias).astype(x.dtype)
        return jax.nn.relu(dropout(summed, self.dropout_rate, key))


def _check_edges(*choices: str) -> None:
    for choice in choices:
        if choice not in get_args(Edges):
            raise ConfigError(f"edges: there is no {choice!r}; choose one of {', '.join(get_args(Edges))}")
