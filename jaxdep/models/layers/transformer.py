"""Transformer layers over padded sequences, normalised ahead of each part, that read themselves or another sequence.

As in the Multimodal Transformer (Tsai et al. 2019, section 3) and its authors' code: of another sequence every layer asks
the states from below the first one, normalised by the layer's own norm, and a last norm stands behind all layers.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from jaxdep.models import Masked
from jaxdep.models.layers.attention import masked_softmax
from jaxdep.models.layers.dense import dropout, linear
from jaxdep.models.layers.normalization import layer_norm

Keys = Iterator[PRNGKeyArray | None]


class Transformer(nnx.Module):
    """Layers of attention and feed-forward networks: x [B, T, D] -> [B, T, D].

    Attributes:
        draws: how many keys a call takes.
    """

    def __init__(self, dim: int, heads: int, layers: int, rate: float, options: Mapping[str, Any]):
        """`rate` is that of all dropouts; `options` are those of `linear`. `dim` is even, and `heads` divides it."""
        self.rate, self.draws = rate, 1 + 3 * layers
        self.layers = nnx.List(TransformerLayer(dim, heads, rate, options) for _ in range(layers))
        self.norm = layer_norm(dim, options)

    def __call__(self, x: Masked, other: Masked | None, keys: Keys) -> Masked:
        """The states after the last layer, zero where masked.

        Args:
            other: what is asked in place of x itself.
        """
        key = next(keys)
        other_key = None if key is None else jax.random.fold_in(key, 1)
        states = dropout(placed(x.values), self.rate, key)
        asked = None if other is None else dropout(placed(other.values), self.rate, other_key)
        mask = x.mask if other is None else other.mask
        for layer in self.layers:
            states = layer(states, asked, mask, keys)
        return Masked(jnp.where(x.mask[:, :, None], self.norm(states), 0), x.mask)


class TransformerLayer(nnx.Module):
    """Multi-head attention and a feed-forward network four times as wide, each behind a norm and beside a residual."""

    def __init__(self, dim: int, heads: int, rate: float, options: Mapping[str, Any]):
        self.rate = rate
        self.attention_norm, self.output_norm = layer_norm(dim, options), layer_norm(dim, options)
        self.attention = MultiHeadAttention(dim, heads, options)
        self.inner, self.outer = linear(dim, 4 * dim, **options), linear(4 * dim, dim, **options)

    def __call__(
        self,
        x: Float[Array, "B T D"],
        asked: Float[Array, "B U D"] | None,
        mask: Bool[Array, "B U"],
        keys: Keys,
    ) -> Float[Array, "B T D"]:
        """`mask` is of what is asked: x itself, where `asked` is None."""
        queries = self.attention_norm(x)
        states = queries if asked is None else self.attention_norm(asked)
        x = x + dropout(self.attention(queries, states, mask), self.rate, next(keys))
        inner = dropout(jax.nn.relu(self.inner(self.output_norm(x))), self.rate, next(keys))
        return x + dropout(self.outer(inner), self.rate, next(keys))


class MultiHeadAttention(nnx.Module):
    """softmax(Q Kᵀ / √d) V of several heads, joined by a layer (Vaswani et al. 2017, section 3.2)."""

    def __init__(self, dim: int, heads: int, options: Mapping[str, Any]):
        self.heads = heads
        self.query, self.key, self.value, self.joined = (linear(dim, dim, **options) for _ in range(4))

    def __call__(
        self, queries: Float[Array, "B T D"], states: Float[Array, "B U D"], mask: Bool[Array, "B U"]
    ) -> Float[Array, "B T D"]:
        """For each query; where no state is valid, the last layer's bias."""
        Q, K, V = (
            layer(x).reshape(*x.shape[:2], self.heads, -1)
            for layer, x in ((self.query, queries), (self.key, states), (self.value, states))
        )
        scores = jnp.einsum("bthd,buhd->bhtu", Q, K, preferred_element_type=jnp.float32) * Q.shape[-1] ** -0.5
        A = masked_softmax(scores, mask[:, None, None, :])
        heads = jnp.einsum("bhtu,buhd->bthd", A.astype(V.dtype), V, preferred_element_type=jnp.float32)
        return self.joined(heads.reshape(queries.shape))


def placed(x: Float[Array, "B T D"]) -> Float[Array, "B T D"]:
    """√D x, and where each frame stands: sines and, in the second half, cosines (Vaswani et al. 2017, section 3.5)."""
    frames, dim = x.shape[1:]
    rates = 10000 ** (-jnp.arange(0, dim, 2) / dim)
    angles = jnp.arange(frames)[:, None] * rates[None, :]
    positions = jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=-1)
    return (x * dim**0.5 + positions[None]).astype(x.dtype)
