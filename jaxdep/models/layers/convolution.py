"""Frames joined with their neighbours, and the convolutions, over time and over images, that are products on them.

Over time they are no `lax.conv` on purpose: mapped over seeds, convolutions become one grouped convolution, which is several
times slower than the products. Nor are they the sum of a product for each neighbour, which saves the joined copy: with few
channels it took a quarter longer, with many as long.

Over images it depends on who asks. Of one seed, the way forwards and the one back to the images are `lax.conv`, up to twice as
quick on a CPU as the products; of many seeds at once, products. So are, of one seed too, those with a stride, unless of few
channels, and those with more channels than places: on a CPU XLA's own took up to four times as long. The way back to the kernel
is products ever: on a CPU XLA's own reaches 2 GFLOP/s within a loop, and these 60 to 90.
"""

import functools
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import jax
import jax.custom_batching
import jax.numpy as jnp
from flax import nnx
from jax import lax
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
        self.joined = linear(
            kernel * in_features, channels, rngs=rngs, initializer=initializer, dtype=dtype, taps=kernel
        )

    def __call__(self, x: Float[Array, "B T D"], mask: Bool[Array, "B T"]) -> Float[Array, "B T C"]:
        """Every frame's channels, also those of masked ones."""
        return self.joined(splice(x.astype(self.joined.dtype), mask, self.offsets, "zeros")[0])


class Convolution2D(nnx.Module):
    """Two-dimensional convolution of images among zeros: x [B, H, W, D] -> [B, ⌈H / stride⌉, ⌈W / stride⌉, C]."""

    def __init__(
        self,
        in_features: int,
        channels: int,
        kernel: int = 3,
        *,
        stride: int = 1,
        use_bias: bool = True,
        rngs: nnx.Rngs,
        initializer: str = "pytorch",
        dtype: DTypeLike = jnp.float32,
    ):
        """`kernel` is an odd number of rows and of columns. Raises ConfigError where `initializer` names none."""
        self.shape, self.stride = (kernel, kernel, in_features, channels), stride
        options: Any = {"rngs": rngs, "initializer": initializer, "dtype": dtype, "taps": kernel**2}
        self.joined = linear(kernel**2 * in_features, channels, use_bias=use_bias, **options)

    def __call__(self, x: Float[Array, "B H W D"]) -> Float[Array, "B h w C"]:
        dtype = self.joined.dtype
        kernel = self.joined.kernel[...].astype(dtype).reshape(self.shape)
        return self.joined.biased(correlate(x.astype(dtype), kernel, self.stride))


def check_size(feature: str, images: Float[Array, "B H W D"], size: int) -> None:
    """Raises ConfigError where a feature's images are of another size than a model's `image_size`."""
    if images.shape[1:3] != (size, size):
        found = "x".join(map(str, images.shape[1:3]))
        raise ConfigError(f"image_size: the images of {feature!r} are {found} pixels, expected {size}x{size}")


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def correlate(x: Float[Array, "B H W D"], kernel: Float[Array, "K K D C"], stride: int = 1) -> Float[Array, "B h w C"]:
    """The products of the kernel and the K x K neighbourhood of each place, zeros beyond the edges; K is odd.

    The gradient can be taken once. It joins the neighbours again: kept from the way forwards, they would be several
    times what the images themselves take.

    Args:
        stride: only every so many rows and columns are places, from the first on: h = ⌈H / stride⌉.
    """
    if len(kernel) == 1 or _exceeds_copy(x, kernel, stride) or (stride > 1 and not _is_wide(kernel, stride)):
        return _products(x, kernel, stride)
    return _convolver(stride)(x, kernel)


@functools.cache
def _convolver(stride: int) -> Callable[[Array, Array], Array]:
    """`correlate` without its gradient: of one seed a convolution, of many products."""

    @jax.custom_batching.custom_vmap
    def convolve(x: Array, kernel: Array) -> Array:
        reach = [(kernel.shape[0] // 2,) * 2] * 2
        return lax.conv_general_dilated(x, kernel, (stride,) * 2, reach, dimension_numbers=("NHWC", "HWIO", "NHWC"))

    @convolve.def_vmap
    def _(axis_size: int, batched: Sequence[bool], x: Array, kernel: Array) -> tuple[Array, bool]:
        products = partial(_products, stride=stride)
        return jax.vmap(products, [0 if is_mapped else None for is_mapped in batched])(x, kernel), True

    return convolve


def _products(x: Float[Array, "B H W D"], kernel: Float[Array, "K K D C"], stride: int) -> Float[Array, "B h w C"]:
    size, _, dim, channels = kernel.shape
    if _joins_all(x, kernel, stride):
        return _neighbourhoods(x, size, stride) @ kernel.reshape(-1, channels)
    if stride > 1:
        rows = zip(_rows(x, size, stride), kernel.reshape(size, -1, channels), strict=True)
        first, *others = (row @ of_row for row, of_row in rows)
        return sum(others, first)
    products = _columns(x, size, 1) @ kernel.transpose(1, 2, 0, 3).reshape(size * dim, -1)
    first, *others = (
        products[:, row : row + x.shape[1], :, row * channels : (row + 1) * channels] for row in range(size)
    )
    return sum(others, first)


def _correlate_forwards(x: Array, kernel: Array, stride: int) -> tuple[Array, tuple[Array, Array]]:
    return correlate(x, kernel, stride), (x, kernel)


def _correlate_backwards(stride: int, kept: tuple[Array, Array], dy: Array) -> tuple[Array, Array]:
    x, kernel = kept
    size, _, dim, channels = kernel.shape
    if stride > 1 or kernel.size > x.size:  # to turn a kernel that is larger than the images takes longer than it saves
        of_x = _scattered(dy, kernel, stride, x.shape)
    else:
        of_x = correlate(dy, kernel[::-1, ::-1].swapaxes(2, 3))
    if _joins_all(x, kernel, stride):
        return of_x, _product(_neighbourhoods(x, size, stride), dy).reshape(kernel.shape)
    if stride > 1:
        return of_x, jnp.stack([_product(row, dy) for row in _rows(x, size, stride)]).reshape(kernel.shape)
    shifted = [jnp.pad(dy, [(0, 0), (row, size - 1 - row), (0, 0), (0, 0)]) for row in range(size)]
    of_rows = _product(_columns(x, size, 1), jnp.concatenate(shifted, axis=-1))
    return of_x, of_rows.reshape(size, dim, size, channels).transpose(2, 0, 1, 3)


correlate.defvjp(_correlate_forwards, _correlate_backwards)


def _joins_all(x: Array, kernel: Array, stride: int) -> bool:
    """Whether a kernel is multiplied by all neighbours at once.

    With all of them joined the copy of 128 channels is nine times the images, 230 MB of one of 224 x 224; one neighbour at
    a time, nine products each add to the whole output. So the columns of a row are joined, and its products with all rows of
    the kernel are one product, of which each row of places adds up its own: a fifth to two fifths quicker on a CPU, on 14 x 14 to
    56 x 56, than joining the rows too. Of few channels, as of colours, all are joined, and of few places: that copy is less
    than what comes out, or than the kernel.
    """
    return _is_wide(kernel, stride) or _exceeds_copy(x, kernel, stride)


def _is_wide(kernel: Array, stride: int) -> bool:
    """Whether all neighbours of a place are fewer numbers than its products."""
    size, _, dim, channels = kernel.shape
    return size**2 * dim <= channels * stride**2


def _exceeds_copy(x: Array, kernel: Array, stride: int) -> bool:
    """Whether a kernel is more numbers than the neighbours of all places, joined: there are more channels than places."""
    places = len(x) * -(-x.shape[1] // stride) * -(-x.shape[2] // stride)
    return kernel.shape[3] > places


def _columns(x: Float[Array, "B H W D"], size: int, stride: int) -> Float[Array, "B H+K-1 w K*D"]:
    """Each place joined with its neighbours of one row, also in the rows of zeros above and below."""
    reach, width = size // 2, x.shape[2]
    padded = jnp.pad(x, [(0, 0), (reach, reach), (reach, reach), (0, 0)])
    return jnp.concatenate([padded[:, :, start : start + width : stride] for start in range(size)], axis=-1)


def _rows(x: Float[Array, "B H W D"], size: int, stride: int) -> list[Float[Array, "B h w K*D"]]:
    """The columns in each row of the neighbourhood of every place."""
    columns = _columns(x, size, stride)
    return [columns[:, start : start + x.shape[1] : stride] for start in range(size)]


def _neighbourhoods(x: Float[Array, "B H W D"], size: int, stride: int) -> Float[Array, "B h w K*K*D"]:
    """Each place joined with all of its neighbours."""
    return jnp.concatenate(_rows(x, size, stride), axis=-1)


def _product(x: Float[Array, "B h w E"], dy: Float[Array, "B h w F"]) -> Float[Array, "E F"]:
    """Summed over all places.

    With the narrower operand on the left XLA for a CPU takes little more than half the time, but left to itself exchanges the two
    again rather than turn what comes out; the barrier prevents that. With fewer places than channels, turning costs more.
    """
    x, dy = x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])
    if dy.shape[1] < min(x.shape):
        return lax.optimization_barrier(_over_rows(dy, x)).T
    return _over_rows(x, dy)


def _over_rows(x: Float[Array, "N E"], y: Float[Array, "N F"]) -> Float[Array, "E F"]:
    return lax.dot_general(x, y, (((0,), (0,)), ((), ())))


def _scattered(dy: Float[Array, "B h w C"], kernel: Float[Array, "K K D C"], stride: int, shape: Any) -> Array:
    """What comes back to images of that shape: of each place its products with the kernel, added where they came from.

    Under a stride, a correlation of `dy` with zeros between its places would be as many products for each of the zeros.
    """
    size, _, dim, channels = kernel.shape
    products = (dy @ kernel.reshape(-1, channels).T).reshape(*dy.shape[:3], size, size, dim)
    reach = size // 2
    total = jnp.zeros((), dy.dtype)
    for row in range(size):
        for column in range(size):
            edges = [
                (start - reach, extent - (start - reach) - (places - 1) * stride - 1, stride - 1)
                for start, extent, places in ((row, shape[1], dy.shape[1]), (column, shape[2], dy.shape[2]))
            ]
            # Negative edges cut off what lies in the zeros beyond the images.
            total = total + lax.pad(
                products[:, :, :, row, column], jnp.zeros((), dy.dtype), [(0, 0, 0), *edges, (0, 0, 0)]
            )
    return total


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
