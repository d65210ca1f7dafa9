"""Augmentation on the fly: each takes its key as an argument, as dropout does, and without one returns `x` as it is.

An example draws for itself, and the frames of a video, or the channels of an image, share what it draws. What is masked, or
lies outside an image, is zero: the mean of a standardised feature. The dtype stays.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

from jaxdep.models.layers.draws import drawn


def mask_time(
    x: Float[Array, "B T *dims"],
    mask: Bool[Array, "B T"],
    width: int,
    key: Key[Array, ""] | None,
    *,
    count: int = 1,
    share: float = 1.0,
) -> Float[Array, "B T *dims"]:
    """Zeroes `count` blocks of 0 ... `width` frames in a row, each at any place of the sequence (SpecAugment, Park et al.
    2019, time masking; without its time warping).

    Args:
        mask: the valid frames, which come first. More padding changes nothing.
        share: no block is longer than this share of the sequence.
    """
    if key is None:
        return x
    lengths = mask.sum(1)
    widest = jnp.minimum(width, jnp.floor(share * lengths)).astype(jnp.int32)
    blocks = _blocks(key, jnp.broadcast_to(widest, (count, len(x))), lengths, x.shape[1])
    return jnp.where(blocks.reshape(*mask.shape, *(1,) * (x.ndim - 2)), 0, x)


def mask_frequency(
    x: Float[Array, "B *time D"], width: int, key: Key[Array, ""] | None, *, count: int = 1
) -> Float[Array, "B *time D"]:
    """Zeroes `count` blocks of 0 ... `width` neighbouring dimensions throughout a sequence, as SpecAugment does with the
    bands of a filter bank."""
    if key is None:
        return x
    dim = x.shape[-1]
    blocks = _blocks(key, jnp.full((count, len(x)), min(width, dim)), jnp.full(len(x), dim), dim)
    return jnp.where(blocks.reshape(len(x), *(1,) * (x.ndim - 2), dim), 0, x)


def add_noise(
    x: Float[Array, "B T *dims"], mask: Bool[Array, "B T"], deviation: float, key: Key[Array, ""] | None
) -> Float[Array, "B T *dims"]:
    """Adds Gaussian noise of that standard deviation to the valid frames. More padding changes nothing."""
    if key is None or deviation == 0:
        return x
    # Random words are counted along the first axis: padded frames come last, and leave those before them as they are.
    noise = drawn(
        lambda shape: jax.random.normal(key, shape, x.dtype), (x.shape[1], len(x), *x.shape[2:]), batch_axis=1
    )
    noise = jnp.moveaxis(noise, 0, 1)
    return jnp.where(mask.reshape(*mask.shape, *(1,) * (x.ndim - 2)), x + deviation * noise, 0).astype(x.dtype)


def flip(x: Float[Array, "B *frames H W C"], key: Key[Array, ""] | None, rate: float = 0.5) -> Array:
    """Mirrors each example's images with probability `rate`, left to right."""
    if key is None or rate == 0:
        return x
    mirrored = drawn(partial(jax.random.bernoulli, key, rate), (len(x),))
    return jnp.where(mirrored.reshape(-1, *(1,) * (x.ndim - 1)), x[..., ::-1, :], x)


def rotate(x: Float[Array, "B *frames H W C"], degrees: float, key: Key[Array, ""] | None) -> Array:
    """Turns each example's images about their middle, by up to `degrees` either way, with bilinear interpolation."""
    if key is None or degrees == 0:
        return x
    angles = drawn(partial(jax.random.uniform, key, minval=-degrees, maxval=degrees), (len(x),))
    return jax.vmap(rotated)(x, jnp.deg2rad(angles))


def brighten(x: Float[Array, "B *frames H W C"], amount: float, key: Key[Array, ""] | None) -> Array:
    """Multiplies each example's images by 1 - `amount` ... 1 + `amount`, without clipping.

    That is the brightness of values of which 0 is black, and the contrast of standardised ones.
    """
    if key is None or amount == 0:
        return x
    draw = partial(jax.random.uniform, key, minval=1 - amount, maxval=1 + amount)
    factor = drawn(draw, (len(x), *(1,) * (x.ndim - 1)))
    return (x * factor).astype(x.dtype)


def shift(x: Float[Array, "B *frames H W C"], pixels: int, key: Key[Array, ""] | None) -> Array:
    """Moves each example's images by up to so many whole pixels down or up, and right or left: a random crop of the padded
    image (He et al. 2016)."""
    if key is None or pixels == 0:
        return x
    top, left = drawn(lambda shape: jax.random.randint(key, shape, 0, 2 * pixels + 1), (2, len(x)), batch_axis=1)

    def cropped(images: Array, top: Array, left: Array) -> Array:
        padding = [(0, 0)] * (images.ndim - 3) + [(pixels, pixels), (pixels, pixels), (0, 0)]
        start: list[Any] = [0] * (images.ndim - 3) + [top, left, 0]
        return jax.lax.dynamic_slice(jnp.pad(images, padding), start, images.shape)

    return jax.vmap(cropped)(x, top, left)


def rotated(images: Float[Array, "*frames H W C"], angle: Float[Array, ""]) -> Float[Array, "*frames H W C"]:
    """Images turned anticlockwise, in radians, about their middle; between pixels bilinear, outside zero."""
    height, width = images.shape[-3:-1]
    y, x = jnp.arange(height)[:, None] - (height - 1) / 2, jnp.arange(width)[None] - (width - 1) / 2
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    from_y = cosine * y + sine * x + (height - 1) / 2  # [H, W], where each pixel comes from
    from_x = cosine * x - sine * y + (width - 1) / 2
    top, left = jnp.floor(from_y), jnp.floor(from_x)
    total = jnp.zeros(images.shape, jnp.float32)
    for row, row_weight in ((top, top + 1 - from_y), (top + 1, from_y - top)):
        for column, column_weight in ((left, left + 1 - from_x), (left + 1, from_x - left)):
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            place = jnp.clip(row, 0, height - 1).astype(int), jnp.clip(column, 0, width - 1).astype(int)
            weight = jnp.where(inside, row_weight * column_weight, 0)
            total = total + weight.reshape(*(1,) * (images.ndim - 3), height, width, 1) * images[..., *place, :]
    return total.astype(images.dtype)


def _blocks(
    key: Key[Array, ""], widest: Int[Array, "count B"], lengths: Int[Array, " B"], size: int
) -> Bool[Array, "B size"]:
    """Where blocks of 0 ... `widest` cells lie, each at any place at which it stands within the first `lengths` cells."""
    of_width, of_start = drawn(partial(jax.random.uniform, key), (2, *widest.shape), batch_axis=2)
    widths = jnp.floor(of_width * (widest + 1))
    starts = jnp.floor(of_start * (lengths[None] - widths + 1))
    cell = jnp.arange(size)[None, None]
    return ((cell >= starts[..., None]) & (cell < (starts + widths)[..., None])).any(0)
