"""System 3, EmoAudioNet: Othmani, Kadoch, Bentounes, Rejaibi, Alfred and Hadid, "Towards Robust Deep Neural Networks for
Affect and Depression Recognition from Speech" (ICPR 2020).

`SpectrogramCNN` decides on the image of a spectrogram, `MfccCNN` on a vector of cepstral features, `EmoAudioNet` on both
(sections III.A and IV.B). Convolutions lie among zeros and poolings leave out what does not fill a window: so an image
of 224 x 224 becomes 3 x 3 x 128 = 1152 numbers (224 -> 28 -> 3) and a vector of 177 becomes 22 x 128 = 2816, which are
the paper's. What the paper leaves out is as in the authors' published code; configs say what is from where.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from input_pipeline.config import ConfigError
from jaxdep.models import Layout, Masked, ModelConfig, Outputs, Step, keys_of
from jaxdep.models.layers.convolution import Convolution, Convolution2D, check_size
from jaxdep.models.layers.decision import head_outputs, make_heads
from jaxdep.models.layers.dense import dropout
from jaxdep.models.layers.pooling import max_pool, max_pool_2d

Keys = Sequence[PRNGKeyArray | None]

# By `SpectrogramCNN.order`, what comes after one another: convolutions with ReLU, dropouts and poolings.
_ORDERS: Mapping[str, str] = {
    "code": "conv conv drop pool conv conv conv drop conv drop pool",
    "paper": "conv conv drop pool conv conv conv drop pool conv",
}


@dataclasses.dataclass
class SpectrogramCNN(ModelConfig):
    """Convolutions of an image with ReLU, dropout and max-pooling in two blocks, decision (sections III.A.2, IV.B).

    Attributes:
        feature: [B, H, W, C], H = W = `image_size`.
        channels: of each convolution.
        kernel: rows and columns that it joins, an odd number.
        pool: rows and columns of which the maximum is left, twice.
        dropout: before each pooling, and within the second block.
        order: of the layers. "code": of the authors' code, whose second block is (conv conv drop conv drop pool) behind
            the first's last convolution. "paper": twice (conv conv drop pool conv), as section III.A.2 has it. Both give
            as many numbers.
        image_size: of both sides of an image, in pixels; the decision's layer is as wide as what is left of them.
    """

    feature: str = "image"
    channels: int = 128
    kernel: int = 3
    pool: int = 8
    dropout: float = 0.1
    order: Literal["code", "paper"] = "code"
    image_size: int = 224
    initializer: str = "keras"

    @property
    def units(self) -> int:
        """The length of the vector that the decision is made on."""
        return (self.image_size // self.pool // self.pool) ** 2 * self.channels

    def check(self) -> None:
        super().check()
        _check_layers(self)
        if self.image_size < self.pool**2:
            raise ConfigError(
                f"image_size: two poolings by {self.pool} need {self.pool**2} pixels or more, found {self.image_size}"
            )

    def takes(self) -> Mapping[str, Layout]:
        return {self.feature: "image"}

    def build(self, inputs: Mapping[str, int], outputs: Mapping[str, int], *, rngs: nnx.Rngs) -> nnx.Module:
        encoder = SpectrogramEncoder(self, inputs[self.feature], self.dtype, rngs=rngs)
        return SingleModel("spectrogram", self.feature, encoder, outputs, self.initializer, rngs=rngs)


@dataclasses.dataclass
class MfccCNN(ModelConfig):
    """Two convolutions along a vector of cepstral features with ReLU, dropout, max-pooling, decision (III.A.3, IV.B).

    Attributes:
        feature: [B, D], taken as a signal of D x 1.
        channels: of each convolution.
        kernel: neighbours that it joins, an odd number.
        pool: places of which the maximum is left.
        dropout: before the pooling.
    """

    feature: str = "mfcc"
    channels: int = 128
    kernel: int = 5
    pool: int = 8
    dropout: float = 0.1
    initializer: str = "keras"

    def check(self) -> None:
        super().check()
        _check_layers(self)

    def takes(self) -> Mapping[str, Layout]:
        return {self.feature: "vector"}

    def build(self, inputs: Mapping[str, int], outputs: Mapping[str, int], *, rngs: nnx.Rngs) -> nnx.Module:
        encoder = MfccEncoder(self, inputs[self.feature], self.dtype, rngs=rngs)
        return SingleModel("mfcc", self.feature, encoder, outputs, self.initializer, rngs=rngs)


@dataclasses.dataclass
class EmoAudioNet(ModelConfig):
    """The vectors of both networks side by side, decision (section III.A.4). A modality that an example lacks adds zeros.

    Attributes:
        spectrogram, mfcc: all but their decisions; `dtype` is given here, for both.
    """

    spectrogram: SpectrogramCNN = dataclasses.field(default_factory=SpectrogramCNN)
    mfcc: MfccCNN = dataclasses.field(default_factory=MfccCNN)
    initializer: str = "keras"

    def check(self) -> None:
        super().check()
        for name in ("spectrogram", "mfcc"):
            if getattr(self, name).dtype not in ("float32", self.dtype):
                raise ConfigError(f"{name}.dtype: set the joint network's, which is {self.dtype}; it holds for both")

    def takes(self) -> Mapping[str, Layout]:
        return {**self.spectrogram.takes(), **self.mfcc.takes()}

    def build(self, inputs: Mapping[str, int], outputs: Mapping[str, int], *, rngs: nnx.Rngs) -> nnx.Module:
        return EmoAudioNetModel(self, inputs, outputs, rngs=rngs)


class SpectrogramEncoder(nnx.Module):
    """`SpectrogramCNN` without its decision; its dropouts draw with `draws` keys."""

    def __init__(self, config: SpectrogramCNN, channels: int, dtype: str, *, rngs: nnx.Rngs):
        self.config = config
        self.layers, self.units = tuple(_ORDERS[config.order].split()), config.units
        self.draws = self.layers.count("drop")
        options: dict[str, Any] = {"rngs": rngs, "initializer": config.initializer, "dtype": dtype}
        widths = [channels, *[config.channels] * (self.layers.count("conv") - 1)]
        self.convolutions = nnx.List(
            Convolution2D(width, config.channels, config.kernel, **options) for width in widths
        )

    def __call__(self, image: Masked, keys: Keys) -> Float[Array, "B units"]:
        """The last layer's output row by row, zero where an example has no image.

        Raises:
            ConfigError: the images are of another size than the config's.
        """
        check_size(self.config.feature, image.values, self.config.image_size)
        x = jnp.where(image.mask[:, None, None, None], image.values, 0)
        convolutions, drawn = iter(self.convolutions), iter(keys)
        for layer in self.layers:
            if layer == "conv":
                x = jax.nn.relu(next(convolutions)(x))
            elif layer == "drop":
                x = dropout(x, self.config.dropout, next(drawn))
            else:
                x = max_pool_2d(x, self.config.pool)
        return _present(image, x.reshape(len(x), -1))


class MfccEncoder(nnx.Module):
    """`MfccCNN` without its decision; its dropout draws with one key."""

    draws = 1

    def __init__(self, config: MfccCNN, dim: int, dtype: str, *, rngs: nnx.Rngs):
        """Raises ConfigError where a vector is shorter than one pooling."""
        if dim < config.pool:
            raise ConfigError(f"pool: {config.pool} is more than the {dim} places of {config.feature!r}")
        self.config, self.units = config, dim // config.pool * config.channels
        options: dict[str, Any] = {"rngs": rngs, "initializer": config.initializer, "dtype": dtype}
        widths = (1, config.channels)
        self.convolutions = nnx.List(Convolution(width, config.channels, config.kernel, **options) for width in widths)

    def __call__(self, vector: Masked, keys: Keys) -> Float[Array, "B units"]:
        """The last layer's output place by place, zero where an example has no vector."""
        x, pool = vector.values[:, :, None], self.config.pool
        there = jnp.broadcast_to(vector.mask[:, None], x.shape[:2])
        for convolution in self.convolutions:
            x = jax.nn.relu(convolution(x, there))
        x = dropout(x, self.config.dropout, keys[0])
        whole = x.shape[1] // pool * pool
        pooled, _ = max_pool(x[:, :whole], there[:, :whole], pool)
        return _present(vector, pooled.reshape(len(pooled), -1))


class SingleModel(nnx.Module):
    """The module of `SpectrogramCNN` and of `MfccCNN`: an encoder and the decision on its output."""

    def __init__(
        self,
        modality: str,
        feature: str,
        encoder: SpectrogramEncoder | MfccEncoder,
        outputs: Mapping[str, int],
        initializer: str,
        *,
        rngs: nnx.Rngs,
    ):
        self.modality, self.feature, self.encoder = modality, feature, encoder
        self.heads = make_heads(encoder.units, outputs, initializer, rngs)

    def __call__(self, features: Mapping[str, Masked], *, step: Step | None = None) -> Outputs:
        vector = self.encoder(features[self.feature], keys_of(step, self.encoder.draws))
        return head_outputs(self.heads, vector, {self.modality: vector})


class EmoAudioNetModel(nnx.Module):
    """The module of `EmoAudioNet`."""

    def __init__(self, config: EmoAudioNet, inputs: Mapping[str, int], outputs: Mapping[str, int], *, rngs: nnx.Rngs):
        self.config = config
        spectrogram, mfcc = config.spectrogram, config.mfcc
        self.spectrogram = SpectrogramEncoder(spectrogram, inputs[spectrogram.feature], config.dtype, rngs=rngs)
        self.mfcc = MfccEncoder(mfcc, inputs[mfcc.feature], config.dtype, rngs=rngs)
        self.heads = make_heads(self.spectrogram.units + self.mfcc.units, outputs, config.initializer, rngs)

    def __call__(self, features: Mapping[str, Masked], *, step: Step | None = None) -> Outputs:
        keys = keys_of(step, self.spectrogram.draws + self.mfcc.draws)
        spectrogram = self.spectrogram(features[self.config.spectrogram.feature], keys[: self.spectrogram.draws])
        mfcc = self.mfcc(features[self.config.mfcc.feature], keys[self.spectrogram.draws :])
        joint = jnp.concatenate([spectrogram, mfcc], axis=-1)
        return head_outputs(self.heads, joint, {"spectrogram": spectrogram, "mfcc": mfcc, "joint": joint})


def _present(feature: Masked, vector: Float[Array, "B D"]) -> Float[Array, "B D"]:
    """Zero for the examples that lack the feature."""
    return jnp.where(feature.mask[:, None], vector, 0)


def _check_layers(config: SpectrogramCNN | MfccCNN) -> None:
    for name in ("channels", "pool"):
        if getattr(config, name) < 1:
            raise ConfigError(f"{name}: at least 1, found {getattr(config, name)}")
    if config.kernel < 1 or config.kernel % 2 == 0:
        raise ConfigError(f"kernel: an odd number, found {config.kernel}")
