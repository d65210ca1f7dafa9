"""System 5, faces and speech: Kumari and Tiwari, "A Deep Learning Approach to Detect Depression from Facial Expressions and
Speech Patterns" (NeuroQuantology 2021).

`VisualNetwork` decides on frames of a face, `AudioNetwork` on cepstral frames of speech, `FaceSpeechNetwork` on both
(section 4). A stream has the same name in each of them, so that the joint network starts from what two others have learnt
(section 4.5, two stages).
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from input_pipeline.config import ConfigError
from jaxdep.models import Layout, Masked, ModelConfig, Outputs, Step, keys_of
from jaxdep.models.encoders.resnet import STEM, Depth, ResNet, resnet_parameters
from jaxdep.models.layers.augmentation import brighten, flip, rotate
from jaxdep.models.layers.decision import head_outputs, make_heads
from jaxdep.models.layers.dense import Linear, dropout, linear
from jaxdep.models.layers.pooling import Pooling, masked_mean, pool_states
from jaxdep.models.layers.recurrent import BiLSTM

Keys = Sequence[PRNGKeyArray | None]


@dataclasses.dataclass
class VisualNetwork(ModelConfig):
    """ResNet of each frame, two layers with ReLU, the mean over the frames, decision (section 4.2).

    Attributes:
        feature: [B, F, H, W, C], frames of a face.
        backbone: how deep.
        stem: channels of the backbone's first layer; published weights are of 64.
        widths: of the layers behind it.
        dropout: before each of these, and before the decision.
        flip: the share of examples that are mirrored in training.
        degrees: by up to so many an example is turned in training, either way.
        brightness: by up to such a share an example is made brighter or darker in training.
    """

    feature: str = "face"
    backbone: Depth = "resnet50"
    stem: int = STEM
    widths: tuple[int, ...] = (1024, 512)
    dropout: float = 0.5
    flip: float = 0.5
    degrees: float = 10.0
    brightness: float = 0.2
    initializer: str = "pytorch"

    def check(self) -> None:
        super().check()
        _check_widths(self.widths)
        if self.stem < 1:
            raise ConfigError(f"stem: at least 1 channel, found {self.stem}")
        for name, most in (("flip", 1), ("degrees", 180), ("brightness", 1)):
            if not 0 <= getattr(self, name) <= most:
                raise ConfigError(f"{name}: from 0 to {most}, found {getattr(self, name)}")

    def takes(self) -> Mapping[str, Layout]:
        return {self.feature: "images"}

    def published(self, checkpoint: str) -> Mapping[str, Any]:
        """The backbone's parameters and statistics; `checkpoint` is a folder or a hub's name, as microsoft/resnet-50."""
        return {"visual": {"backbone": resnet_parameters(checkpoint, self.backbone, self.stem)}}

    def build(self, inputs: Mapping[str, int], outputs: Mapping[str, int], *, rngs: nnx.Rngs) -> nnx.Module:
        return VisualModel(self, inputs[self.feature], outputs, rngs=rngs)


@dataclasses.dataclass
class AudioNetwork(ModelConfig):
    """BiLSTMs over frames, their mean and deviation over time, a layer with ReLU, decision (section 4.3).

    Attributes:
        feature: [B, T, D], frames of speech.
        hidden: of each direction of each BiLSTM.
        layers: of BiLSTMs, one above the other.
        pooling: of their states over time.
        units: of the layer behind them.
        dropout: before the decision.
        time_chunk: frames of which the gates are kept at once (0: of all).
    """

    feature: str = "speech"
    hidden: int = 128
    layers: int = 2
    pooling: Pooling = "mean_std"
    units: int = 256
    dropout: float = 0.5
    initializer: str = "pytorch"
    time_chunk: int = 0

    def check(self) -> None:
        super().check()
        if self.layers < 1:
            raise ConfigError(f"layers: at least 1, found {self.layers}")

    def takes(self) -> Mapping[str, Layout]:
        return {self.feature: "sequence"}

    def build(self, inputs: Mapping[str, int], outputs: Mapping[str, int], *, rngs: nnx.Rngs) -> nnx.Module:
        return AudioModel(self, inputs[self.feature], outputs, rngs=rngs)


@dataclasses.dataclass
class FaceSpeechNetwork(ModelConfig):
    """The vectors of both streams side by side, two layers with ReLU, decision (section 4.4).

    Attributes:
        visual, audio: all but their decisions, and what lies just before these; `dtype` is given here, for both.
        widths: of the layers behind them.
    """

    visual: VisualNetwork = dataclasses.field(default_factory=VisualNetwork)
    audio: AudioNetwork = dataclasses.field(default_factory=AudioNetwork)
    widths: tuple[int, ...] = (512, 256)
    initializer: str = "pytorch"

    def check(self) -> None:
        super().check()
        _check_widths(self.widths)
        for name in ("visual", "audio"):
            if getattr(self, name).dtype not in ("float32", self.dtype):
                raise ConfigError(f"{name}.dtype: set the joint network's, which is {self.dtype}; it holds for both")

    def takes(self) -> Mapping[str, Layout]:
        return {**self.visual.takes(), **self.audio.takes()}

    def published(self, checkpoint: str) -> Mapping[str, Any]:
        return self.visual.published(checkpoint)

    def build(self, inputs: Mapping[str, int], outputs: Mapping[str, int], *, rngs: nnx.Rngs) -> nnx.Module:
        return FaceSpeechModel(self, inputs, outputs, rngs=rngs)


class VisualStream(nnx.Module):
    """`VisualNetwork` without its decision; it draws with `draws` keys."""

    def __init__(self, config: VisualNetwork, channels: int, dtype: str, *, rngs: nnx.Rngs):
        self.config, self.draws = config, 3 + len(config.widths) - 1
        self.backbone = ResNet(config.backbone, channels, stem=config.stem, dtype=dtype, rngs=rngs)
        self.layers = _layers(self.backbone.dim, config.widths, config.initializer, dtype, rngs)
        self.dim = config.widths[-1]

    def __call__(self, frames: Masked, step: Step | None, keys: Keys) -> Float[Array, "B dim"]:
        """The mean over an example's frames, zero where it has none."""
        x, mask = frames
        config = self.config
        if step is not None:
            x = brighten(rotate(flip(x, keys[0], config.flip), config.degrees, keys[1]), config.brightness, keys[2])
        vectors = self.backbone(x.reshape(-1, *x.shape[2:]), mask.reshape(-1), step)
        for index, layer in enumerate(self.layers):
            vectors = jax.nn.relu(layer(vectors))
            if index + 1 < len(self.layers):
                vectors = dropout(vectors, config.dropout, keys[3 + index])
        return masked_mean(vectors.reshape(*mask.shape, -1), mask)


class AudioStream(nnx.Module):
    """`AudioNetwork` without its decision."""

    def __init__(self, config: AudioNetwork, dim: int, dtype: str, *, rngs: nnx.Rngs):
        options: dict[str, Any] = {"rngs": rngs, "initializer": config.initializer, "dtype": dtype}
        self.config, self.dim = config, config.units
        self.recurrent = BiLSTM(dim, config.hidden, layers=config.layers, time_chunk=config.time_chunk, **options)
        pooled = 2 * config.hidden * (2 if config.pooling == "mean_std" else 1)
        self.layer = linear(pooled, config.units, **options)

    def __call__(self, frames: Masked) -> Float[Array, "B dim"]:
        """A recording's vector, zero where it has no frames."""
        states, final = self.recurrent(*frames)
        vector = jax.nn.relu(self.layer(pool_states(self.config.pooling, states, final, frames.mask)))
        return jnp.where(jnp.any(frames.mask, axis=1)[:, None], vector, 0)


class VisualModel(nnx.Module):
    """The module of `VisualNetwork`."""

    def __init__(self, config: VisualNetwork, channels: int, outputs: Mapping[str, int], *, rngs: nnx.Rngs):
        self.config = config
        self.visual = VisualStream(config, channels, config.dtype, rngs=rngs)
        self.heads = make_heads(self.visual.dim, outputs, config.initializer, rngs)

    def __call__(self, features: Mapping[str, Masked], *, step: Step | None = None) -> Outputs:
        *keys, last = keys_of(step, self.visual.draws + 1)
        vector = self.visual(features[self.config.feature], step, keys)
        return head_outputs(self.heads, dropout(vector, self.config.dropout, last), {"visual": vector})


class AudioModel(nnx.Module):
    """The module of `AudioNetwork`."""

    def __init__(self, config: AudioNetwork, dim: int, outputs: Mapping[str, int], *, rngs: nnx.Rngs):
        self.config = config
        self.audio = AudioStream(config, dim, config.dtype, rngs=rngs)
        self.heads = make_heads(self.audio.dim, outputs, config.initializer, rngs)

    def __call__(self, features: Mapping[str, Masked], *, step: Step | None = None) -> Outputs:
        vector = self.audio(features[self.config.feature])
        (key,) = keys_of(step, 1)
        return head_outputs(self.heads, dropout(vector, self.config.dropout, key), {"audio": vector})


class FaceSpeechModel(nnx.Module):
    """The module of `FaceSpeechNetwork`."""

    def __init__(
        self, config: FaceSpeechNetwork, inputs: Mapping[str, int], outputs: Mapping[str, int], *, rngs: nnx.Rngs
    ):
        self.config = config
        self.visual = VisualStream(config.visual, inputs[config.visual.feature], config.dtype, rngs=rngs)
        self.audio = AudioStream(config.audio, inputs[config.audio.feature], config.dtype, rngs=rngs)
        self.fusion = _layers(self.visual.dim + self.audio.dim, config.widths, config.initializer, config.dtype, rngs)
        self.heads = make_heads(config.widths[-1], outputs, config.initializer, rngs)

    def __call__(self, features: Mapping[str, Masked], *, step: Step | None = None) -> Outputs:
        visual, audio = self.config.visual, self.config.audio
        *keys, of_visual, of_audio = keys_of(step, self.visual.draws + 2)
        streams = {
            "visual": dropout(self.visual(features[visual.feature], step, keys), visual.dropout, of_visual),
            "audio": dropout(self.audio(features[audio.feature]), audio.dropout, of_audio),
        }
        joint = jnp.concatenate(list(streams.values()), axis=-1)
        for layer in self.fusion:
            joint = jax.nn.relu(layer(joint))
        return head_outputs(self.heads, joint, {**streams, "joint": joint})


def _layers(dim: int, widths: Sequence[int], initializer: str, dtype: str, rngs: nnx.Rngs) -> "nnx.List[Linear]":
    """Fully connected ones, one behind the other."""
    sizes = zip((dim, *widths), widths, strict=False)
    return nnx.List(linear(*size, rngs=rngs, initializer=initializer, dtype=dtype) for size in sizes)


def _check_widths(widths: Sequence[int]) -> None:
    if not widths or min(widths) < 1:
        raise ConfigError(f"widths: one or more layers of 1 or more, found {widths}")
