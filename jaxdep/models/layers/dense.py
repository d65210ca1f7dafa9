"""Fully connected layers with an initialiser by name, and dropout that takes its key as an argument."""

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Key

from jaxdep.models.layers import initializers


def linear(
    in_features: int,
    out_features: int,
    *,
    rngs: nnx.Rngs,
    initializer: str = "xavier_uniform",
    use_bias: bool = True,
    dtype: DTypeLike = jnp.float32,
) -> nnx.Linear:
    """A layer x [..., in] -> [..., out] with float32 parameters that computes in `dtype`.

    Raises:
        ConfigError: `initializer` is no name that `initializers.get` knows.
    """
    return nnx.Linear(
        in_features,
        out_features,
        use_bias=use_bias,
        dtype=dtype,
        kernel_init=initializers.get(initializer, fan_in=in_features),
        bias_init=initializers.get_bias(initializer, fan_in=in_features),
        rngs=rngs,
    )


def dropout(x: Float[Array, "..."], rate: float, key: Key[Array, ""] | None) -> Float[Array, "..."]:
    """Zeroes each element with probability `rate` and divides the others by 1 - rate; without a key, `x` as it is."""
    if key is None or rate == 0:
        return x
    kept = jax.random.bernoulli(key, 1 - rate, x.shape)
    return jnp.where(kept, x / (1 - rate), 0)
