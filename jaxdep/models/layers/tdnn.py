"""The residual time delay network (Res-TDNN) that encodes frames in the emotion model.

Every layer is a matrix product on shifted slices of its input. It is no convolution on purpose: mapped over seeds,
convolutions become one grouped convolution, which is several times slower than the products.
"""

from collections.abc import Sequence
from typing import Literal, get_args

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Key

from input_pipeline.config import ConfigError
from jaxdep.models.layers.dense import Linear, dropout, linear
from jaxdep.models.layers.pooling import last_valid

Edges = Literal["valid", "replicate"]


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


def splice(
    x: Float[Array, "B T D"], mask: Bool[Array, "B T"], offsets: Sequence[int], edges: Edges = "valid"
) -> tuple[Float[Array, "B U K*D"], Bool[Array, "B U"]]:
    """Each frame joined with its neighbours at `offsets`, one after another in the order given.

    Args:
        x, mask: frames, padded on the right.
        offsets: positions relative to the frame.
        edges: "valid" keeps the frames whose neighbours all exist, so that U = T minus the offsets' span and the mask
            loses as many; "replicate" lets the first and the last valid frame stand for those beyond, and U = T.

    Returns:
        The joined frames, and the mask of those that are valid.

    Raises:
        ConfigError: T is not longer than the span of the offsets, under "valid".
    """
    before, after = max(0, -min(offsets)), max(0, max(offsets))
    if edges == "replicate":
        x = _extended(x, mask, before, after)
        frames = mask.shape[1]
    else:
        frames = x.shape[1] - before - after
        if frames < 1:
            found = x.shape[1]
            raise ConfigError(
                f"context {tuple(offsets)} needs {before + after + 1} frames, found {found}; pad the batch"
            )
        mask = jnp.all(jnp.stack([mask[:, before + o : before + o + frames] for o in offsets]), axis=0)
    return jnp.concatenate([x[:, before + o : before + o + frames] for o in offsets], axis=-1), mask


def _extended(x: Float[Array, "B T D"], mask: Bool[Array, "B T"], before: int, after: int) -> Float[Array, "B V D"]:
    """x with its first frame repeated ahead, and its last valid frame in the padding and `after` frames beyond."""
    last = last_valid(x, mask)[:, None, :]
    filled = jnp.where(mask[:, :, None], x, last)
    return jnp.concatenate([jnp.repeat(filled[:, :1], before, axis=1), filled, jnp.repeat(last, after, axis=1)], axis=1)


def _check_edges(*choices: str) -> None:
    for choice in choices:
        if choice not in get_args(Edges):
            raise ConfigError(f"edges: there is no {choice!r}; choose one of {', '.join(get_args(Edges))}")
