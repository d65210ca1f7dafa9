"""System 4, Bi-LSTM-CNN: Xu, "Deep Learning-Based Cross-Modal Emotion Recognition for Predicting Potential Depression
Patients".

`TextNetwork` and `SpeechNetwork` decide on one modality (sections III.A, III.B), `JointNetwork` on both by feature-level
fusion (section II.C); the rows of Table I are these three, with a layer left out or not. The paper gives no sizes: they
are fields here. The LSTM is the standard one; that of section II.B computes an input gate i_t and never uses it, which
is taken for a misprint.
"""

import dataclasses
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from input_pipeline.config import ConfigError
from jaxdep.models import Layout, Masked, ModelConfig, Outputs, Step, key_of, keys_of
from jaxdep.models.layers.convolution import Convolution
from jaxdep.models.layers.decision import head_outputs, make_heads
from jaxdep.models.layers.dense import dropout, linear
from jaxdep.models.layers.pooling import masked_max, max_pool, pool_states
from jaxdep.models.layers.recurrent import LSTM, BiLSTM

Pooling = Literal["final", "mean", "max"]


@dataclasses.dataclass
class TextNetwork(ModelConfig):
    """(Bi-)LSTM over words, convolution, ReLU, maximum over time, FC with ReLU, decision (section III.A).

    As it stands it is the text's part of Bi-LSTM-CNN; with `channels=0` Table I's Bi-LSTM, with `bidirectional=False`
    its LSTM-CNN.

    Attributes:
        feature: [B, T, D], one vector a word.
        hidden: of each direction.
        channels: of the convolution (0: none, then `pooling` makes one vector of the LSTM's states).
        kernel: frames that the convolution joins, an odd number.
        pooling: of the LSTM's states, without a convolution: the last ones, their mean or maximum.
        units: of the FC layer.
        dropout: on the FC layer's output.
    """

    feature: str = "text"
    bidirectional: bool = True
    hidden: int = 128
    channels: int = 128
    kernel: int = 3
    pooling: Pooling = "mean"
    units: int = 64
    dropout: float = 0.5
    initializer: str = "pytorch"
    may_be_zero: ClassVar[tuple[str, ...]] = ("channels",)

    def check(self) -> None:
        super().check()
        _check_kernel(self.kernel)

    def takes(self) -> Mapping[str, Layout]:
        return {self.feature: "sequence"}

    def build(self, inputs: Mapping[str, int], outputs: Mapping[str, int], *, rngs: nnx.Rngs) -> nnx.Module:
        encoder = TextEncoder(self, inputs[self.feature], self.dtype, rngs=rngs)
        return SingleModel("text", self, encoder, outputs, rngs=rngs)


@dataclasses.dataclass
class SpeechNetwork(ModelConfig):
    """Convolutions over time with ELU and max-pooling, LSTM, FC with ELU, decision (sections III.B, IV.B).

    As it stands it is Table I's LSTM-CNN; with `channels=()` its LSTM, with `hidden=0` its CNN. Whether the paper's
    convolutions have one or two dimensions is open: here they span all bands, as in DepAudioNet (Ma et al. 2016), the
    same cascade on mel spectrograms. That the FC layer has the audio module's ELU too is a choice.

    Attributes:
        feature: [B, T, D], log-mel frames.
        channels: of each convolution.
        kernel: frames that a convolution joins, an odd number.
        pool: frames of which each convolution leaves the maximum.
        hidden: of the LSTM (0: none, then the convolutions' maximum over time is taken).
        pooling: of the LSTM's states: the last one, their mean or maximum.
        units: of the FC layer.
        dropout: on the FC layer's output.
    """

    feature: str = "audio"
    channels: tuple[int, ...] = (64, 64)
    kernel: int = 3
    pool: int = 3
    hidden: int = 128
    pooling: Pooling = "mean"
    units: int = 64
    dropout: float = 0.5
    initializer: str = "pytorch"
    may_be_zero: ClassVar[tuple[str, ...]] = ("hidden",)

    def check(self) -> None:
        super().check()
        _check_kernel(self.kernel)
        if self.pool < 1:
            raise ConfigError(f"pool: at least 1, found {self.pool}")
        if any(channels < 1 for channels in self.channels):
            raise ConfigError(f"channels: at least 1 each, found {self.channels}")
        if not self.channels and not self.hidden:
            raise ConfigError("hidden: 0 leaves out the LSTM, and there are no channels; give one of the two")

    def takes(self) -> Mapping[str, Layout]:
        return {self.feature: "sequence"}

    def build(self, inputs: Mapping[str, int], outputs: Mapping[str, int], *, rngs: nnx.Rngs) -> nnx.Module:
        encoder = SpeechEncoder(self, inputs[self.feature], self.dtype, rngs=rngs)
        return SingleModel("speech", self, encoder, outputs, rngs=rngs)


@dataclasses.dataclass
class JointNetwork(ModelConfig):
    """The FC vectors of both modalities side by side, FC with ReLU, decision (feature-level fusion, section II.C).

    A modality that an example lacks adds a zero vector.

    Attributes:
        text, speech: all but their decisions; `dtype` is given here, for all.
        units: of the FC layer that joins them.
        dropout: on its output.
    """

    text: TextNetwork = dataclasses.field(default_factory=TextNetwork)
    speech: SpeechNetwork = dataclasses.field(default_factory=SpeechNetwork)
    units: int = 64
    dropout: float = 0.5
    initializer: str = "pytorch"

    def check(self) -> None:
        super().check()
        for name in ("text", "speech"):
            if getattr(self, name).dtype not in ("float32", self.dtype):
                raise ConfigError(f"{name}.dtype: set the joint network's, which is {self.dtype}; it holds for all")

    def takes(self) -> Mapping[str, Layout]:
        return {**self.text.takes(), **self.speech.takes()}

    def build(self, inputs: Mapping[str, int], outputs: Mapping[str, int], *, rngs: nnx.Rngs) -> nnx.Module:
        return JointModel(self, inputs, outputs, rngs=rngs)


class TextEncoder(nnx.Module):
    """`TextNetwork` without its decision."""

    def __init__(self, config: TextNetwork, dim: int, dtype: str, *, rngs: nnx.Rngs):
        self.config = config
        options: dict[str, Any] = {"rngs": rngs, "initializer": config.initializer, "dtype": dtype}
        layer, width = (BiLSTM, 2 * config.hidden) if config.bidirectional else (LSTM, config.hidden)
        self.recurrent = layer(dim, config.hidden, **options)
        self.convolution = Convolution(width, config.channels, config.kernel, **options) if config.channels else None
        self.dense = linear(config.channels or width, config.units, **options)

    def __call__(self, words: Masked, key: jax.Array | None = None) -> Float[Array, "B units"]:
        """The FC layer's output, zero where an example has no words."""
        states, final = self.recurrent(*words)
        if self.convolution is None:
            text = pool_states(self.config.pooling, states, final, words.mask)
        else:
            text = jax.nn.relu(masked_max(self.convolution(states, words.mask), words.mask))  # the ReLU of the maximum
        return _present(words, dropout(jax.nn.relu(self.dense(text)), self.config.dropout, key))


class SpeechEncoder(nnx.Module):
    """`SpeechNetwork` without its decision."""

    def __init__(self, config: SpeechNetwork, dim: int, dtype: str, *, rngs: nnx.Rngs):
        self.config = config
        options: dict[str, Any] = {"rngs": rngs, "initializer": config.initializer, "dtype": dtype}
        widths = [dim, *config.channels]
        self.convolutions = nnx.List(
            Convolution(width, channels, config.kernel, **options) for width, channels in pairwise(widths)
        )
        self.recurrent = LSTM(widths[-1], config.hidden, **options) if config.hidden else None
        self.dense = linear(config.hidden or widths[-1], config.units, **options)

    def __call__(self, frames: Masked, key: jax.Array | None = None) -> Float[Array, "B units"]:
        """The FC layer's output, zero where an example has no frames."""
        x, mask = frames
        for convolution in self.convolutions:
            x, mask = max_pool(convolution(x, mask), mask, self.config.pool)
            x = jax.nn.elu(x)  # of the maximum, which is the maximum of ELUs
        if self.recurrent is None:
            speech = masked_max(x, mask)
        else:
            speech = pool_states(self.config.pooling, *self.recurrent(x, mask), mask)
        return _present(frames, dropout(jax.nn.elu(self.dense(speech)), self.config.dropout, key))


class SingleModel(nnx.Module):
    """The module of `TextNetwork` and of `SpeechNetwork`: an encoder and the decision on its output."""

    def __init__(
        self,
        modality: str,
        config: TextNetwork | SpeechNetwork,
        encoder: TextEncoder | SpeechEncoder,
        outputs: Mapping[str, int],
        *,
        rngs: nnx.Rngs,
    ):
        self.modality, self.feature = modality, config.feature
        self.encoder = encoder
        self.heads = make_heads(config.units, outputs, config.initializer, rngs)

    def __call__(self, features: Mapping[str, Masked], *, step: Step | None = None) -> Outputs:
        key = key_of(step)
        vector = self.encoder(features[self.feature], key)
        return head_outputs(self.heads, vector, {self.modality: vector})


class JointModel(nnx.Module):
    """The module of `JointNetwork`."""

    def __init__(self, config: JointNetwork, inputs: Mapping[str, int], outputs: Mapping[str, int], *, rngs: nnx.Rngs):
        self.config = config
        text, speech = config.text, config.speech
        self.text = TextEncoder(text, inputs[text.feature], config.dtype, rngs=rngs)
        self.speech = SpeechEncoder(speech, inputs[speech.feature], config.dtype, rngs=rngs)
        options: dict[str, Any] = {"rngs": rngs, "initializer": config.initializer, "dtype": config.dtype}
        self.dense = linear(text.units + speech.units, config.units, **options)
        self.heads = make_heads(config.units, outputs, config.initializer, rngs)

    def __call__(self, features: Mapping[str, Masked], *, step: Step | None = None) -> Outputs:
        config = self.config
        text_key, speech_key, joint_key = keys_of(step, 3)
        text = self.text(features[config.text.feature], text_key)
        speech = self.speech(features[config.speech.feature], speech_key)
        joint = jax.nn.relu(self.dense(jnp.concatenate([text, speech], axis=-1)))
        joint = dropout(joint, config.dropout, joint_key)
        return head_outputs(self.heads, joint, {"text": text, "speech": speech, "joint": joint})


def _present(feature: Masked, vector: Float[Array, "B D"]) -> Float[Array, "B D"]:
    """Zero for the examples that lack the feature."""
    return jnp.where(jnp.any(feature.mask, axis=1)[:, None], vector, 0)


def _check_kernel(kernel: int) -> None:
    if kernel < 1 or kernel % 2 == 0:
        raise ConfigError(f"kernel: an odd number of frames, found {kernel}")
