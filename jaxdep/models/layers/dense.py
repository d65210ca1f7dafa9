"""Fully connected layers with an initialiser by name, and dropout that takes its key as an argument."""

import math

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax
from jax.extend.random import threefry_2x32
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Key

from jaxdep.models.layers import initializers
from jaxdep.models.layers.draws import share


class Linear(nnx.Module):
    """x [..., in] -> x kernel + bias [..., out], computed in `dtype` with float32 parameters.

    The bias is added in float32, so that its gradient, a sum over all rows, is a float32 one.
    """

    def __init__(self, kernel: Float[Array, "in out"], bias: Float[Array, " out"] | None, dtype: DTypeLike):
        self.kernel = nnx.Param(kernel)
        self.bias = None if bias is None else nnx.Param(bias)
        self.dtype = dtype

    def __call__(self, x: Float[Array, "... in"]) -> Float[Array, "... out"]:
        return self.biased(product(x.astype(self.dtype), self.kernel[...].astype(self.dtype)))

    def biased(self, y: Float[Array, "... out"]) -> Float[Array, "... out"]:
        """A product with the kernel, and the bias."""
        if self.bias is None:
            return y
        return (y + self.bias[...].reshape((1,) * (y.ndim - 1) + (-1,))).astype(self.dtype)


def linear(
    in_features: int,
    out_features: int,
    *,
    rngs: nnx.Rngs,
    initializer: str = "xavier_uniform",
    use_bias: bool = True,
    dtype: DTypeLike = jnp.float32,
    taps: int = 1,
) -> Linear:
    """A layer whose parameters are drawn by the initialiser of that name, of a convolution as one of so many taps.

    Raises:
        ConfigError: `initializer` is no name that `initializers.get` knows.
    """
    kernel = initializers.get(initializer, fan_in=in_features, taps=taps)
    bias = initializers.get_bias(initializer, fan_in=in_features)
    drawn = kernel(rngs.params(), (in_features, out_features), jnp.float32)
    return Linear(drawn, bias(rngs.params(), (out_features,), jnp.float32) if use_bias else None, dtype)


@jax.custom_vjp
def product(x: Float[Array, "... in"], kernel: Float[Array, "in out"]) -> Float[Array, "... out"]:
    """`x @ kernel`, whose gradient for the kernel transposes `x`, not what comes back.

    XLA for the CPU transposes the left operand of such a product, and fuses all that made it into the transposing copy.
    What comes back has a long chain behind it (dropout, rectifiers): by columns it took an eighth of the emotion
    model's step. The gradient can be taken once, not twice.
    """
    return x @ kernel


def _product_forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return x @ kernel, (x, kernel)


def _product_backward(residuals: tuple[Array, Array], dy: Array) -> tuple[Array, Array]:
    x, kernel = residuals
    rows, dy_rows = (y.reshape(-1, y.shape[-1]) for y in (x, dy))
    return dy @ kernel.T, lax.dot_general(rows, dy_rows, (((0,), (0,)), ((), ())))


product.defvjp(_product_forward, _product_backward)


def dropout(x: Float[Array, "B ..."], rate: float, key: Key[Array, ""] | None) -> Float[Array, "B ..."]:
    """Zeroes each element with probability `rate` and divides the others by 1 - rate; without a key, `x` as it is.

    The examples lead, also where frames of theirs are folded into that axis.
    """
    if key is None or rate == 0:
        return x
    return jnp.where(_kept(key, rate, x.shape), x / (1 - rate), 0)


def _kept(key: Key[Array, ""], rate: float, shape: tuple[int, ...]) -> Bool[Array, "B ..."]:
    """True with probability 1 - `rate`, to 2^-17.

    Random words are what dropout costs, on a CPU a fifth of the emotion model's step: each element takes as few bits of
    one as tell its rate exactly, one bit for a half, and 16 where none do. And they are the hash itself (Salmon et al. 2011,
    "Parallel Random Numbers: As Easy as 1, 2, 3") of as many numbers: `jax.random.bits`, which hashes each word's number by
    itself and folds two words into one, takes four times as long. The hash makes two words of two numbers; those in a row
    are hashed together, so that a device that has a share of the batch draws the words of its own elements alone.
    """
    n, (index, shares) = math.prod(shape), share()
    bits = next((bits for bits in (1, 2, 4, 8) if (rate * 2**bits).is_integer()), 16)
    in_pair = 2 * (32 // bits)  # elements of two words
    in_step = shares == 1 or n % in_pair == 0  # each share begins with a pair
    first = jnp.asarray(index * n // in_pair, jnp.uint32)
    pairs = first + jnp.arange(-(-n // in_pair) + (not in_step), dtype=jnp.uint32)
    words = threefry_2x32(jax.random.key_data(key), jnp.concatenate([2 * pairs, 2 * pairs + 1])).reshape(2, -1)
    words = lax.optimization_barrier(
        words.T.reshape(-1, 1)
    )  # else each is drawn again for every element that it serves
    shifts = jnp.arange(0, 32, bits, dtype=jnp.uint32)[None, :]
    numbers = ((words >> shifts) & jnp.uint32(2**bits - 1)).reshape(-1)
    numbers = numbers[:n] if in_step else lax.dynamic_slice_in_dim(numbers, index * n % in_pair, n)
    return (numbers >= jnp.uint32(round(rate * 2**bits))).reshape(shape)
