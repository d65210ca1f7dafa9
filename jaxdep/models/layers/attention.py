"""Structured self-attentive pooling (Lin et al. 2017) over padded sequences, its penalty, and positions for it."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Int

from jaxdep.models.layers.dense import linear


class SelfAttentivePooling(nnx.Module):
    """Several heads pool h_1 .. h_T: A = softmax over t of W2 tanh(W1 h), output A H (Lin et al. 2017, eqs. 6, 7)."""

    def __init__(
        self,
        in_features: int,
        units: int,
        heads: int = 5,
        *,
        rngs: nnx.Rngs,
        initializer: str = "uniform_0.1",
        use_bias: bool = False,
        dtype: DTypeLike = jnp.float32,
    ):
        """`units` is the width between W1 and W2; `use_bias` adds one to W1 h (to the scores it would change nothing).

        Raises ConfigError where `initializer` names none.
        """
        self.hidden = linear(in_features, units, rngs=rngs, initializer=initializer, use_bias=use_bias, dtype=dtype)
        self.scores = linear(units, heads, rngs=rngs, initializer=initializer, use_bias=False, dtype=dtype)

    def __call__(
        self, h: Float[Array, "B T D"], mask: Bool[Array, "B T"], bias: Float[Array, "B T R"] | None = None
    ) -> tuple[Float[Array, "B R*D"], Float[Array, "B R T"]]:
        """The pooled heads one after another, and A, whose rows sum to 1, or to 0 where no frame is valid.

        `bias` is added to the scores that the softmax takes.
        """
        h = jnp.where(mask[:, :, None], h, 0)
        scores = self.scores(jnp.tanh(self.hidden(h)))  # [B, T, R]
        if bias is not None:
            scores = scores + bias
        A = masked_softmax(jnp.swapaxes(scores, 1, 2), mask[:, None, :])
        pooled = jnp.einsum("brt,btd->brd", A.astype(h.dtype), h, preferred_element_type=jnp.float32)
        return pooled.reshape(h.shape[0], -1), A


class RelativePosition(nnx.Module):
    """A learned number for each head and distance from a place, a bias of the scores (as in T5, Raffel et al. 2020).

    Distances beyond `reach` share the number of `reach`, to each side its own.

    Args:
        slopes: one a head; at the start the number of a distance is -slope |distance| (as in ALiBi, Press et al. 2022),
            so that a head of a large slope starts at the place, and one of slope 0 everywhere alike.
    """

    def __init__(self, slopes: Sequence[float], reach: int):
        self.reach = reach
        distances = jnp.abs(jnp.arange(-reach, reach + 1, dtype=jnp.float32))
        self.numbers = nnx.Param(-distances[:, None] * jnp.asarray(slopes, jnp.float32)[None, :])

    def __call__(self, distance: Int[Array, "B T"]) -> Float[Array, "B T R"]:
        """The bias at these distances, negative before the place."""
        rows = jnp.clip(distance, -self.reach, self.reach) + self.reach
        # A product, not a gather: its gradient is no scatter, whose sums come in any order on a GPU.
        return jax.nn.one_hot(rows, 2 * self.reach + 1) @ self.numbers[...]


def masked_softmax(scores: Float[Array, "... T"], mask: Bool[Array, "... T"]) -> Float[Array, "... T"]:
    """Softmax over the last axis in float32, zero at masked positions, and zero throughout where all are masked."""
    scores = jnp.where(mask, scores.astype(jnp.float32), jnp.finfo(jnp.float32).min)
    return jnp.where(mask, jax.nn.softmax(scores, axis=-1), 0)


def sharpness_targets(sharpness: Sequence[float], mask: Bool[Array, "B T"]) -> Float[Array, "B R"]:
    """The diagonal of the penalty's target for each member of the batch: of each head its sharpness, and in place of 0 that
    of a flat average over the member's own valid frames, 1/T, below which no head can get."""
    flat = 1 / jnp.maximum(jnp.sum(mask, axis=1, dtype=jnp.float32), 1)
    wanted = jnp.asarray(sharpness, jnp.float32)[None, :]
    return jnp.where(wanted > 0, wanted, flat[:, None])


def penalty(A: Float[Array, "B R T"], diagonal: Float[Array, "#B R"]) -> Float[Array, " B"]:
    """||A Aᵀ - diag(diagonal)||² in the Frobenius norm, of each member of the batch.

    A head whose entry is near 1 is driven to a spike, one with an entry near 1/T to a flat average, and different
    heads to different frames: the modified penalty of the emotion model's "spiky" and "smooth" heads; with all
    entries 1 it is that of Lin et al. 2017, eq. 8.

    Args:
        A: attention weights, one row a head.
        diagonal: the wanted Σ_t A² of each head, of each member or of all alike.
    """
    wanted = diagonal[:, :, None] * jnp.eye(diagonal.shape[1])[None]
    difference = jnp.einsum("brt,bst->brs", A, A) - wanted
    return jnp.sum(difference**2, axis=(1, 2))
