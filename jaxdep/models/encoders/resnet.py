"""ResNet as an encoder of images that is trained further: the module, and its published weights.

He, Zhang, Ren and Sun 2016, "Deep Residual Learning for Image Recognition" (section 4.1, table 1), with the stride of a
stage's first block in its convolution of 3 x 3, as published weights have it. Batch normalisation is that of training: each
seed has statistics of its own, and masked images are in none of them.
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float

from input_pipeline.errors import DataError
from jaxdep.models import Step
from jaxdep.models.encoders.checkpoint import checkpoint_folder, fill, read_config, read_weights, resnet_weights
from jaxdep.models.layers.convolution import Convolution2D
from jaxdep.models.layers.normalization import BatchNorm
from jaxdep.models.layers.pooling import max_pool_overlapping

Depth = Literal["resnet18", "resnet50"]


class Shape(NamedTuple):
    """What makes one depth.

    Attributes:
        blocks: of each stage.
        expansion: a block puts out so many times as many channels as its convolution of 3 x 3; where that is more than
            once, convolutions of 1 x 1 lie before and behind it (a bottleneck), else one more of 3 x 3.
    """

    blocks: tuple[int, ...]
    expansion: int


SHAPES: Mapping[Depth, Shape] = {"resnet18": Shape((2, 2, 2, 2), 1), "resnet50": Shape((3, 4, 6, 3), 4)}
STEM = 64  # channels of the published networks' first layer; of each stage, twice as many as of the one before


class ResNet(nnx.Module):
    """Images to vectors: the mean of the last feature map over its places.

    Attributes:
        dim: the size D of a vector, 512 or 2048 with the published `stem`.
    """

    def __init__(
        self,
        depth: Depth,
        channels: int = 3,
        *,
        stem: int = STEM,
        dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        """Makes the module with fresh weights (He et al. 2015); `resnet_parameters` reads published ones.

        Args:
            channels: of an image.
            stem: channels of the first layer.
            dtype: of products; parameters and statistics are float32.
        """
        shape = SHAPES[depth]
        options: dict[str, Any] = {"dtype": dtype, "rngs": rngs}
        self.stem = ConvolutionNorm(channels, stem, 7, 2, **options)
        blocks, width = [], stem
        for stage, count in enumerate(shape.blocks):
            inner = stem * 2**stage
            for index in range(count):
                stride = 2 if stage and not index else 1
                blocks.append(Block(width, inner, shape.expansion, stride, **options))
                width = inner * shape.expansion
        self.blocks, self.dim = nnx.List(blocks), width

    def __call__(
        self, images: Float[Array, "N H W C"], mask: Bool[Array, " N"], step: Step | None
    ) -> Float[Array, "N D"]:
        """A float32 vector of each image, zero where `mask` is False; such images are in no batch's statistics."""
        x = jax.nn.relu(self.stem(jnp.where(mask[:, None, None, None], images, 0), mask, step))
        x = max_pool_overlapping(x, 3, 2)
        for block in self.blocks:
            x = block(x, mask, step)
        return jnp.where(mask[:, None], jnp.mean(x, axis=(1, 2), dtype=jnp.float32), 0)


class Block(nnx.Module):
    """A residual block (section 3.3): convolutions beside a way around them, which is projected where sizes differ."""

    def __init__(self, channels: int, inner: int, expansion: int, stride: int, **options: Any):
        outputs = inner * expansion
        kernels = [(channels, inner, 1, 1), (inner, inner, 3, stride), (inner, outputs, 1, 1)]
        if expansion == 1:
            kernels = [(channels, inner, 3, stride), (inner, inner, 3, 1)]
        self.layers = nnx.List(ConvolutionNorm(*kernel, **options) for kernel in kernels)
        projects = channels != outputs or stride != 1
        self.shortcut = ConvolutionNorm(channels, outputs, 1, stride, **options) if projects else None

    def __call__(self, x: Float[Array, "N H W C"], mask: Bool[Array, " N"], step: Step | None) -> Array:
        around = x if self.shortcut is None else self.shortcut(x, mask, step)
        for index, layer in enumerate(self.layers):
            x = layer(jax.nn.relu(x) if index else x, mask, step)
        return jax.nn.relu(x + around)


class ConvolutionNorm(nnx.Module):
    """A convolution without bias, and batch normalisation over the places of all images that are there."""

    def __init__(self, channels: int, outputs: int, kernel: int, stride: int, *, dtype: DTypeLike, rngs: nnx.Rngs):
        self.convolution = Convolution2D(
            channels, outputs, kernel, stride=stride, use_bias=False, initializer="he_normal", dtype=dtype, rngs=rngs
        )
        self.normalization = BatchNorm(outputs, dtype=dtype)

    def __call__(self, x: Float[Array, "N H W C"], mask: Bool[Array, " N"], step: Step | None) -> Array:
        y = self.convolution(x)
        return self.normalization(y, step, jnp.broadcast_to(mask[:, None, None], y.shape[:3]))


def resnet_parameters(checkpoint: str, depth: Depth, stem: int = STEM) -> Mapping[str, Any]:
    """The published parameters and statistics of a folder or a hub name, nested as in `ResNet`.

    Raises:
        DataError: the checkpoint cannot be had, is of other sizes, damaged, or only there as a pickle; one line.
    """
    folder = checkpoint_folder(checkpoint)
    config, shape = read_config(folder, "resnet"), SHAPES[depth]
    widths = [stem * 2**stage * shape.expansion for stage in range(len(shape.blocks))]
    asked = {
        "embedding_size": stem,
        "hidden_sizes": widths,
        "depths": list(shape.blocks),
        "layer_type": "basic" if shape.expansion == 1 else "bottleneck",
        "hidden_act": "relu",
        "downsample_in_first_stage": False,
        "downsample_in_bottleneck": False,
    }
    for name, value in asked.items():
        if (found := getattr(config, name)) != value:
            raise DataError(
                f"{folder / 'config.json'}: {name} is {found!r}, of a {depth} it is {value!r}; give such a one"
            )
    model = nnx.eval_shape(lambda: ResNet(depth, config.num_channels, stem=stem, rngs=nnx.Rngs(0)))
    joined = {name: _joined(array) for name, array in resnet_weights(read_weights(folder), folder).items()}
    return nnx.to_pure_dict(nnx.state(fill(model, joined, _published_name(shape), folder)))


def _joined(array: np.ndarray) -> np.ndarray:
    """A published kernel [out, in, row, column] as PyTorch's of a product on joined neighbours, [out, row column in]."""
    return array.transpose(0, 2, 3, 1).reshape(len(array), -1) if array.ndim == 4 else array


def _published_name(shape: Shape) -> Any:
    """From a parameter's path in `ResNet` to its published name, without the prefix."""
    stages = [(stage, layer) for stage, count in enumerate(shape.blocks) for layer in range(count)]

    def name(path: tuple[Any, ...]) -> str:
        if path[0] == "stem":
            start, rest = "embedder.embedder", path[1:]
        else:
            stage, layer = stages[path[1]]
            start, rest = f"encoder.stages.{stage}.layers.{layer}.{_PARTS[path[2]]}", path[3:]
            if path[2] == "layers":
                start, rest = f"{start}.{path[3]}", path[4:]
        return f"{start}.{rest[0]}.{_LEAVES[rest[-1]]}"

    return name


_PARTS = {"layers": "layer", "shortcut": "shortcut"}
_LEAVES = {"kernel": "weight", "scale": "weight", "bias": "bias", "mean": "running_mean", "variance": "running_var"}
