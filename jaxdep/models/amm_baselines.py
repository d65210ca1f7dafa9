"""The networks that AMM is compared with (Zhang et al., BIBM 2021, section IV.B): a vector of each modality, joined, decided on.

The paper has a sentence of each; what is not in it is from the work that it cites or that its words are from, and named
there. `MultimodalTransformer`, in which modalities ask one another, has a file of its own.
"""

import dataclasses
from abc import abstractmethod
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from input_pipeline.config import Config, ConfigError
from jaxdep.models import Layout, Masked, ModelConfig, Outputs, Step, keys_of
from jaxdep.models.layers.attention import SelfAttentivePooling
from jaxdep.models.layers.convolution import Convolution, Convolution2D, check_size
from jaxdep.models.layers.decision import head_outputs, make_heads
from jaxdep.models.layers.dense import dropout, linear
from jaxdep.models.layers.pooling import masked_max, masked_mean, max_pool, max_pool_2d
from jaxdep.models.layers.recurrent import BiGRU, BiLSTM

Options = Mapping[str, Any]  # of layers: rngs, initializer, dtype


@dataclasses.dataclass
class JoinedNetwork(ModelConfig):
    """Base: the encoders' vectors side by side, and a linear decision. A modality that an example lacks adds zeros.

    Attributes:
        dropout: on each vector.
    """

    dropout: float = dataclasses.field(default=0.2, kw_only=True)
    initializer: str = dataclasses.field(default="pytorch", kw_only=True)

    @abstractmethod
    def modalities(self) -> Mapping[str, tuple[str, Layout]]:
        """By modality, its feature and how it lies."""

    @abstractmethod
    def encoder(self, modality: str, dim: int, options: Options) -> nnx.Module:
        """What makes [B, `dim` of its own] of a feature whose last axis is `dim` long."""

    def takes(self) -> Mapping[str, Layout]:
        return dict(self.modalities().values())

    def build(self, inputs: Mapping[str, int], outputs: Mapping[str, int], *, rngs: nnx.Rngs) -> nnx.Module:
        return JoinedModel(self, inputs, outputs, rngs=rngs)


@dataclasses.dataclass
class PictureCNN(Config):
    """Convolutions of 3 x 3 with ReLU, of each two the maximum of every 2 x 2, and a fully connected layer with ReLU.

    Attributes:
        feature: as `layout` says.
        layout: "image" [B, H, W, C], the picture itself, H = W = `image_size`; "sequence" [B, T, D], of a clip a vector a
            frame, where convolutions and maxima are over three and two frames, and at last over all.
        channels: of the convolutions.
        image_size: of both sides of a picture, in pixels.
        units: of the fully connected layer.
    """

    feature: str = "pixels"
    layout: Literal["image", "sequence"] = "image"
    channels: tuple[int, ...] = (32, 32, 64, 64, 128, 128)
    image_size: int = 64
    units: int = 128

    def check(self) -> None:
        if not self.channels or min(self.channels) < 1:
            raise ConfigError(f"channels: one convolution or more, of at least 1 channel each, found {self.channels}")
        if self.units < 1:
            raise ConfigError(f"units: at least 1, found {self.units}")
        if self.layout == "image" and self.side < 1:
            raise ConfigError(
                f"image_size: poolings by 2 behind {len(self.channels)} convolutions leave nothing of {self.image_size} pixels"
            )

    @property
    def side(self) -> int:
        """Of what is left of a picture behind the last pooling, its height and width."""
        return self.image_size // 2 ** (len(self.channels) // 2)


@dataclasses.dataclass
class MultimodalDCNN(JoinedNetwork):
    """Two convolutions and a fully connected layer of the words, six and one of the picture, logistic regression on both.

    Attributes:
        text: [B, T, D], a vector a word.
        picture: its convolutions.
        channels: of the words' convolutions, over three words each with ReLU; behind them is the maximum over the words.
        units: of the words' fully connected layer, with ReLU.
    """

    text: str = "text"
    picture: PictureCNN = dataclasses.field(default_factory=PictureCNN)
    channels: tuple[int, ...] = (128, 128)
    units: int = 128

    def check(self) -> None:
        super().check()
        if not self.channels or min(self.channels) < 1:
            raise ConfigError(f"channels: one convolution or more, of at least 1 channel each, found {self.channels}")

    def modalities(self) -> Mapping[str, tuple[str, Layout]]:
        return {"text": (self.text, "sequence"), "image": (self.picture.feature, self.picture.layout)}

    def encoder(self, modality: str, dim: int, options: Options) -> nnx.Module:
        if modality == "image":
            return picture_encoder(self.picture, dim, options)
        return SequenceCNN(dim, self.channels, self.units, options)


@dataclasses.dataclass
class BiGRUNetwork(JoinedNetwork):
    """A bidirectional GRU over the words and one over the zones of a picture or the clips of a film; their last states.

    Attributes:
        text: [B, T, D], a vector a word.
        image: [B, N, D], a vector a zone or clip.
        hidden, image_hidden: of each direction.
    """

    text: str = "text"
    image: str = "image"
    hidden: int = 128
    image_hidden: int = 128

    def modalities(self) -> Mapping[str, tuple[str, Layout]]:
        return {"text": (self.text, "sequence"), "image": (self.image, "sequence")}

    def encoder(self, modality: str, dim: int, options: Options) -> nnx.Module:
        return LastStates(dim, self.hidden if modality == "text" else self.image_hidden, options)


@dataclasses.dataclass
class HAN(JoinedNetwork):
    """Hierarchical attention: words make sentences, sentences make the document, each by a BiGRU and attentive pooling.

    Yang et al. 2016, "Hierarchical Attention Networks for Document Classification", sections 2.2 and 3.3, which
    Mallol-Ragolta et al. 2019 take to interviews.

    Attributes:
        text: [B, U, T, D], a vector a word, sentence by sentence.
        hidden: of each direction.
        attention_units: between the two layers of the attention.
    """

    text: str = "text"
    hidden: int = 50
    attention_units: int = 100

    def modalities(self) -> Mapping[str, tuple[str, Layout]]:
        return {"text": (self.text, "sequences")}

    def encoder(self, modality: str, dim: int, options: Options) -> nnx.Module:
        return Hierarchy(dim, self.hidden, self.attention_units, options)


@dataclasses.dataclass
class MHABiLSTM(JoinedNetwork):
    """A bidirectional LSTM over the words, whose states several heads of attention pool.

    Kumar et al. 2020, "Sarcasm Detection Using Multi-Head Attention Based Bidirectional LSTM", whose abstract the paper's
    sentence is from; heads as in Lin et al. 2017.

    Attributes:
        text: [B, T, D], a vector a word.
        hidden: of each direction.
        attention_units: between the two layers of the attention.
        heads: of the attention.
    """

    text: str = "text"
    hidden: int = 128
    attention_units: int = 128
    heads: int = 8

    def check(self) -> None:
        super().check()
        if self.heads < 1:
            raise ConfigError(f"heads: at least 1, found {self.heads}")

    def modalities(self) -> Mapping[str, tuple[str, Layout]]:
        return {"text": (self.text, "sequence")}

    def encoder(self, modality: str, dim: int, options: Options) -> nnx.Module:
        return AttentiveStates(
            BiLSTM(dim, self.hidden, **options), self.hidden, self.attention_units, self.heads, options
        )


@dataclasses.dataclass
class BertCNN(JoinedNetwork):
    """The mean of BERT's states of the words beside a deep CNN on the picture.

    Attributes:
        text: [B, T, D], the states.
        picture: its convolutions.
    """

    text: str = "bert"
    picture: PictureCNN = dataclasses.field(default_factory=PictureCNN)

    def modalities(self) -> Mapping[str, tuple[str, Layout]]:
        return {"text": (self.text, "sequence"), "image": (self.picture.feature, self.picture.layout)}

    def encoder(self, modality: str, dim: int, options: Options) -> nnx.Module:
        return picture_encoder(self.picture, dim, options) if modality == "image" else MeanState(dim)


@dataclasses.dataclass
class RCNN(JoinedNetwork):
    """RoBERTa's states beside those of a bidirectional LSTM over them, a layer with tanh, the maximum over the words.

    Potamias et al. 2020, "A Transformer-Based Approach to Irony and Sarcasm Detection", of the recurrent convolutional
    network of Lai et al. 2015.

    Attributes:
        text: [B, T, D], the states.
        hidden: of each direction.
        units: of the layer with tanh.
    """

    text: str = "roberta"
    hidden: int = 64
    units: int = 128

    def modalities(self) -> Mapping[str, tuple[str, Layout]]:
        return {"text": (self.text, "sequence")}

    def encoder(self, modality: str, dim: int, options: Options) -> nnx.Module:
        return RecurrentConvolution(dim, self.hidden, self.units, options)


class JoinedModel(nnx.Module):
    """The module of a `JoinedNetwork`."""

    def __init__(self, config: JoinedNetwork, inputs: Mapping[str, int], outputs: Mapping[str, int], *, rngs: nnx.Rngs):
        self.config = config
        options = {"rngs": rngs, "initializer": config.initializer, "dtype": config.dtype}
        encoders: dict[str, Any] = {
            modality: config.encoder(modality, inputs[feature], options)
            for modality, (feature, _) in config.modalities().items()
        }
        self.encoders = nnx.Dict(encoders)
        self.heads = make_heads(sum(one.dim for one in encoders.values()), outputs, config.initializer, rngs)

    def __call__(self, features: Mapping[str, Masked], *, step: Step | None = None) -> Outputs:
        named = self.config.modalities()
        vectors = {}
        for (modality, (name, _)), key in zip(named.items(), keys_of(step, len(named)), strict=True):
            vector = self.encoders[modality](features[name]).astype(jnp.float32)
            mask = features[name].mask
            is_there = jnp.any(mask.reshape(len(mask), -1), axis=1)
            vectors[modality] = dropout(jnp.where(is_there[:, None], vector, 0), self.config.dropout, key)
        return head_outputs(self.heads, jnp.concatenate(list(vectors.values()), axis=-1), vectors)


class SequenceCNN(nnx.Module):
    """Convolutions over three frames with ReLU, the maximum over time, a layer with ReLU: [B, T, D] -> [B, units].

    With `pool`, behind each two convolutions is the maximum of every two frames.
    """

    def __init__(self, dim: int, channels: tuple[int, ...], units: int, options: Options, pool: bool = False):
        self.convolutions = nnx.List(Convolution(*widths, **options) for widths in pairwise((dim, *channels)))
        self.dense = linear(channels[-1], units, **options)
        self.dim, self.pool = units, pool

    def __call__(self, sequence: Masked) -> Float[Array, "B units"]:
        x, mask = sequence
        for number, convolution in enumerate(self.convolutions, start=1):
            x = jax.nn.relu(convolution(x, mask))
            if self.pool and number % 2 == 0:
                x, mask = max_pool(x, mask, 2)
        return jax.nn.relu(self.dense(masked_max(x, mask)))


class ImageCNN(nnx.Module):
    """`PictureCNN` of images: [B, H, W, C] -> [B, units]."""

    def __init__(self, config: PictureCNN, channels: int, options: Options):
        self.config, self.dim = config, config.units
        widths = pairwise((channels, *config.channels))
        self.convolutions = nnx.List(Convolution2D(*pair, **options) for pair in widths)
        self.dense = linear(config.side**2 * config.channels[-1], config.units, **options)

    def __call__(self, image: Masked) -> Float[Array, "B units"]:
        """Raises ConfigError where the images are of another size than the config's."""
        check_size(self.config.feature, image.values, self.config.image_size)
        x = jnp.where(image.mask[:, None, None, None], image.values, 0)
        for number, convolution in enumerate(self.convolutions, start=1):
            x = jax.nn.relu(convolution(x))
            x = max_pool_2d(x, 2) if number % 2 == 0 else x
        return jax.nn.relu(self.dense(x.reshape(len(x), -1)))


class LastStates(nnx.Module):
    """The last states of a BiGRU: [B, T, D] -> [B, 2 hidden]."""

    def __init__(self, dim: int, hidden: int, options: Options):
        self.recurrent, self.dim = BiGRU(dim, hidden, **options), 2 * hidden

    def __call__(self, sequence: Masked) -> Float[Array, "B dim"]:
        return self.recurrent(*sequence)[1]


class AttentiveStates(nnx.Module):
    """The states of a bidirectional layer, pooled by heads of attention: [B, T, D] -> [B, heads 2 hidden]."""

    def __init__(self, recurrent: BiGRU | BiLSTM, hidden: int, units: int, heads: int, options: Options):
        self.recurrent, self.dim = recurrent, heads * 2 * hidden
        self.pooling = SelfAttentivePooling(2 * hidden, units, heads, use_bias=True, **options)

    def __call__(self, sequence: Masked) -> Float[Array, "B dim"]:
        return self.pooling(self.recurrent(*sequence)[0], sequence.mask)[0]


class Hierarchy(nnx.Module):
    """Words pooled to sentences, and these to the document: [B, U, T, D] -> [B, 2 hidden]."""

    def __init__(self, dim: int, hidden: int, units: int, options: Options):
        self.words, self.sentences = (
            AttentiveStates(BiGRU(width, hidden, **options), hidden, units, 1, options) for width in (dim, 2 * hidden)
        )
        self.dim = 2 * hidden

    def __call__(self, text: Masked) -> Float[Array, "B dim"]:
        values, mask = text
        words = Masked(values.reshape(-1, *values.shape[2:]), mask.reshape(-1, mask.shape[-1]))
        sentences = self.words(words).reshape(*mask.shape[:2], -1)
        return self.sentences(Masked(sentences, jnp.any(mask, axis=2)))


class MeanState(nnx.Module):
    """The mean over time: [B, T, D] -> [B, D]."""

    def __init__(self, dim: int):
        self.dim = dim

    def __call__(self, sequence: Masked) -> Float[Array, "B dim"]:
        return masked_mean(*sequence)


class RecurrentConvolution(nnx.Module):
    """Frames beside the states of a BiLSTM over them, a layer with tanh, the maximum over time: -> [B, units]."""

    def __init__(self, dim: int, hidden: int, units: int, options: Options):
        self.recurrent = BiLSTM(dim, hidden, **options)
        self.dense, self.dim = linear(dim + 2 * hidden, units, **options), units

    def __call__(self, sequence: Masked) -> Float[Array, "B units"]:
        states, _ = self.recurrent(*sequence)
        frames = jnp.where(sequence.mask[:, :, None], sequence.values, 0).astype(states.dtype)
        beside = jnp.concatenate([frames, states], axis=-1)
        return masked_max(jnp.tanh(self.dense(beside)), sequence.mask)


def picture_encoder(config: PictureCNN, dim: int, options: Options) -> nnx.Module:
    """The encoder of a picture or of a clip, by the config's layout."""
    if config.layout == "image":
        return ImageCNN(config, dim, options)
    return SequenceCNN(dim, config.channels, config.units, options, pool=True)
