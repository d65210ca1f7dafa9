"""EfficientNet as an image encoder: the module, its published weights, and vectors of whole images.

Tan and Le 2019, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks": inverted residual blocks with
squeeze and excitation (section 4), B0 to B7 by a coefficient of the width and one of the depth. It is for inference alone:
batch normalisation takes the stored statistics, and no block or unit is dropped.
"""

import functools
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Float, UInt8

from input_pipeline.errors import DataError
from jaxdep.models.encoders.checkpoint import (
    checkpoint_folder,
    efficientnet_name,
    efficientnet_weights,
    fill,
    read_config,
    read_weights,
)
from jaxdep.models.encoders.pixels import Pixels, read_pixels

if TYPE_CHECKING:
    from transformers import EfficientNetConfig

ACTIVATIONS: Mapping[str, Callable[[Array], Array]] = {
    "swish": jax.nn.silu,
    "silu": jax.nn.silu,
    "relu": jax.nn.relu,
    "gelu": functools.partial(jax.nn.gelu, approximate=False),
}
POOLINGS: Mapping[str, Callable[..., Array]] = {"mean": jnp.mean, "max": jnp.max}

_STEM, _TOP = 32, 1280  # channels of B0's first and last convolutions
_STAGES = ("kernel_sizes", "in_channels", "out_channels", "strides", "num_block_repeats", "expand_ratios")


class BlockPlan(NamedTuple):
    """One block as the config lays it out.

    Attributes:
        inputs, outputs: channels.
        expansion: the depthwise convolution has so many times the channels of the input.
        kernel, stride: of the depthwise convolution.
        square: where the stride is 2, whether there are as many zeros above and to the left as below and to the right;
            otherwise one less.
        residual: whether the input is added to the output.
    """

    inputs: int
    outputs: int
    expansion: int
    kernel: int
    stride: int
    square: bool
    residual: bool


class EfficientNet(nnx.Module):
    """Images to vectors. It owns parameters and the stored statistics of batch normalisation.

    Attributes:
        dim: the size D of a vector.
        channels: of an image.
    """

    def __init__(self, config: "EfficientNetConfig", *, dtype: DTypeLike = jnp.float32, rngs: nnx.Rngs):
        """Makes the module with fresh weights; `load_efficientnet` makes one with published weights.

        Args:
            config: widths, depths and strides, under the names of a checkpoint's config.json.
            dtype: of the computation (float32, bfloat16); parameters are float32.
            rngs: the stream `params` initialises every parameter.

        Raises:
            ValueError: the config asks for what this architecture has not, or its sizes do not fit each other.
        """
        _check_architecture(config)
        plans = plan_blocks(config)
        self.dim = config.hidden_dim
        self.channels = config.num_channels
        self.pooling = config.pooling_type
        layer = functools.partial(ConvolutionNorm, config, dtype=dtype, rngs=rngs)
        self.stem = layer(config.num_channels, plans[0].inputs, kernel=3, stride=2, padding=(0, 1))
        self.blocks = nnx.List([EfficientNetBlock(config, plan, dtype=dtype, rngs=rngs) for plan in plans])
        self.top = layer(plans[-1].outputs, self.dim)

    def __call__(self, images: Float[Array, "batch height width channels"]) -> Float[Array, "batch dim"]:
        """The last feature map, averaged over its places (or its greatest values, where the config says so).

        Raises:
            ValueError: the images are so small that nothing is left of them.
        """
        states = self.stem(images)
        for block in self.blocks:
            states = block(states)
        states = self.top(states)
        if 0 in states.shape[1:3]:
            raise ValueError(
                f"images of {images.shape[1]} x {images.shape[2]} pixels are too small, nothing is left of them"
            )
        return POOLINGS[self.pooling](states.astype(jnp.float32), axis=(1, 2))


class ConvolutionNorm(nnx.Module):
    """A convolution without bias, batch normalisation by the stored statistics, and an activation where one is asked for."""

    def __init__(
        self,
        config: "EfficientNetConfig",
        inputs: int,
        outputs: int,
        *,
        kernel: int = 1,
        stride: int = 1,
        padding: tuple[int, int] | None = None,
        groups: int = 1,
        activated: bool = True,
        dtype: DTypeLike,
        rngs: nnx.Rngs,
    ):
        """`padding`: zeros before and after both axes; without it, as many as keep the size where the stride is 1."""
        self.conv = nnx.Conv(
            inputs,
            outputs,
            (kernel, kernel),
            strides=stride,
            padding="SAME" if padding is None else (padding, padding),
            feature_group_count=groups,
            use_bias=False,
            dtype=dtype,
            rngs=rngs,
        )
        self.norm = nnx.BatchNorm(
            outputs, use_running_average=True, epsilon=config.batch_norm_eps, dtype=dtype, rngs=rngs
        )
        self.activation = config.hidden_act if activated else None

    def __call__(self, states: Float[Array, "B H W C"]) -> Float[Array, "B h w D"]:
        normed = self.norm(self.conv(states))
        return normed if self.activation is None else ACTIVATIONS[self.activation](normed)


class EfficientNetBlock(nnx.Module):
    """An inverted residual block: channels are expanded, convolved each for itself, weighted, and projected."""

    def __init__(self, config: "EfficientNetConfig", plan: BlockPlan, *, dtype: DTypeLike, rngs: nnx.Rngs):
        layer = functools.partial(ConvolutionNorm, config, dtype=dtype, rngs=rngs)
        point = functools.partial(nnx.Conv, kernel_size=(1, 1), dtype=dtype, rngs=rngs)
        inner = plan.inputs * plan.expansion
        squeezed = max(1, int(plan.inputs * config.squeeze_expansion_ratio))
        half = plan.kernel // 2
        padding = None if plan.stride == 1 else (half if plan.square else half - 1, half)
        self.expansion = layer(plan.inputs, inner) if plan.expansion != 1 else None
        self.depthwise = layer(inner, inner, kernel=plan.kernel, stride=plan.stride, padding=padding, groups=inner)
        self.reduce = point(inner, squeezed)
        self.expand = point(squeezed, inner)
        self.projection = layer(inner, plan.outputs, activated=False)
        self.activation = config.hidden_act
        self.residual = plan.residual

    def __call__(self, states: Float[Array, "B H W C"]) -> Float[Array, "B h w D"]:
        inner = self.depthwise(states if self.expansion is None else self.expansion(states))
        squeezed = ACTIVATIONS[self.activation](self.reduce(inner.mean(axis=(1, 2), keepdims=True)))
        projected = self.projection(inner * jax.nn.sigmoid(self.expand(squeezed)))
        return states + projected if self.residual else projected


def load_efficientnet(checkpoint: str, *, dtype: DTypeLike = jnp.float32) -> EfficientNet:
    """The published encoder of a folder or a hub name. A classifier is left out.

    Raises:
        DataError: the checkpoint cannot be had, is no EfficientNet, is damaged, or is only there as a pickle; one line.
    """
    folder = checkpoint_folder(checkpoint)
    config = read_config(folder, "efficientnet")
    try:
        model = nnx.eval_shape(lambda: EfficientNet(config, dtype=dtype, rngs=nnx.Rngs(0)))
    except ValueError as error:
        raise DataError(f"{folder / 'config.json'}: {error}") from None
    return fill(model, efficientnet_weights(read_weights(folder), folder), efficientnet_name, folder)


class ImageEncoder:
    """Images of any size to vectors: what a checkpoint's preprocessing asks for, and EfficientNet, compiled once.

    Attributes:
        dim: the size D of a vector.
    """

    def __init__(self, model: EfficientNet, pixels: Pixels, *, batch_size: int = 32):
        """See `load_image_encoder`. Raises ValueError where the model cannot take images of that kind."""
        self.dim = model.dim
        self._pixels = pixels
        self._batch_size = batch_size
        graphdef, self._params = nnx.split(model)

        scale, shift = (by_channel[None, None, None] for by_channel in (pixels.scale, pixels.shift))

        def vectors(params: nnx.State, images: Array) -> Array:
            return nnx.merge(graphdef, params)(images * scale + shift)

        if len(pixels.scale) != model.channels:
            raise ValueError(
                f"images have {model.channels} channels by the config, {len(pixels.scale)} by preprocessing"
            )
        jax.eval_shape(vectors, self._params, jnp.zeros((1, *pixels.size, model.channels), jnp.uint8))
        self._vectors = jax.jit(vectors)

    def __call__(self, images: Iterable[UInt8[np.ndarray, "height width 3"]]) -> Iterator[Float[np.ndarray, " dim"]]:
        """A float32 vector for each image (RGB), in their order; no more images are in memory than those of a batch."""
        remaining = iter(images)
        previous: Array | tuple[()] = ()
        while batch := list(itertools.islice(remaining, self._batch_size)):
            resized = np.zeros((self._batch_size, *self._pixels.size, 3), np.uint8)
            for slot, image in enumerate(batch):
                resized[slot] = self._pixels.resize(image)
            vectors = self._vectors(self._params, resized)[: len(batch)]
            yield from np.asarray(previous)  # images were read while the device worked on these
            previous = vectors
        yield from np.asarray(previous)


def load_image_encoder(checkpoint: str, batch_size: int = 32, *, dtype: DTypeLike = jnp.float32) -> ImageEncoder:
    """The encoder of a folder or a hub name, with the preprocessing that stands beside its weights.

    Args:
        checkpoint: holds config.json, preprocessor_config.json and model.safetensors.
        batch_size: images that are encoded together.
        dtype: of the computation; the vectors are float32.

    Raises:
        DataError: see `load_efficientnet` and `read_pixels`; or the two do not fit each other.
    """
    model, folder = load_efficientnet(checkpoint, dtype=dtype), checkpoint_folder(checkpoint)
    pixels = read_pixels(folder)
    try:
        return ImageEncoder(model, pixels, batch_size=batch_size)
    except ValueError as error:
        raise DataError(f"{folder / 'preprocessor_config.json'}: {error}; take both from one release") from None


def plan_blocks(config: "EfficientNetConfig") -> list[BlockPlan]:
    """The blocks of all stages in order. In a stage all blocks but the first have stride 1 and are residual."""
    plans: list[BlockPlan] = []
    stages: Iterator[Sequence[int]] = zip(*(getattr(config, name) for name in _STAGES), strict=True)
    for kernel, inputs, outputs, stride, repeats, expansion in stages:
        width = _width(config, outputs)
        for index in range(math.ceil(config.depth_coefficient * repeats)):
            first, square = index == 0, len(plans) in config.depthwise_padding
            before = _width(config, inputs) if first else width
            plans.append(BlockPlan(before, width, expansion, kernel, stride if first else 1, square, not first))
    return plans


def _width(config: "EfficientNetConfig", channels: int) -> int:
    """B0's channels by the coefficient, to the nearest multiple of the divisor that is no tenth below that."""
    wide, divisor = channels * config.width_coefficient, config.depth_divisor
    rounded = max(divisor, int(wide + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * wide else rounded


def _check_architecture(config: "EfficientNetConfig") -> None:
    for name in ("num_channels", "depth_divisor", "width_coefficient", "depth_coefficient", "squeeze_expansion_ratio"):
        if not 0 < getattr(config, name) < math.inf:
            raise ValueError(f"{name} is {getattr(config, name)}; expected a number above 0")
    stages = {name: getattr(config, name) for name in _STAGES}
    if len({len(values) for values in stages.values()}) > 1 or not config.strides:
        counts = ", ".join(f"{len(values)} {name}" for name, values in stages.items())
        raise ValueError(f"expected one of each of these for every stage, found {counts}")
    for name, values in stages.items():
        if min(values) < 1:
            raise ValueError(f"{name} are {', '.join(map(str, values))}; expected 1 or more each")
    if not set(config.strides) <= {1, 2}:
        raise ValueError(f"strides are {', '.join(map(str, config.strides))}; only 1 and 2 are known")
    for name, known in (("hidden_act", ACTIVATIONS), ("pooling_type", POOLINGS)):
        if getattr(config, name) not in known:
            raise ValueError(f"{name} is {getattr(config, name)!r}; expected one of {', '.join(known)}")
    plans = plan_blocks(config)
    widths = [_width(config, _STEM), *(plan.outputs for plan in plans)]
    for index, (before, plan) in enumerate(zip(widths, plans, strict=False)):
        if before != plan.inputs:
            raise ValueError(f"block {index} takes {plan.inputs} channels by in_channels, and {before} come before it")
    if config.hidden_dim != _width(config, _TOP):
        raise ValueError(f"hidden_dim is {config.hidden_dim}; with width_coefficient it is {_width(config, _TOP)}")
