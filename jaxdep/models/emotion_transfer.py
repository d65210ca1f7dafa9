"""System 1, emotion transfer: Wu, Wu and Yu, "Climate and Weather: Inspecting Depression Detection via Emotion
Recognition", ICASSP 2022.

`DirectText` and `DirectAudio` decide on a session from its features (section 2.3, Table 3); `EmotionAudio` is the audio
branch of the emotion model (section 2.2). What the paper leaves open is a field here, explained in
configs/emotion_transfer/README.md.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from jaxdep.models import Masked, ModelConfig, Outputs
from jaxdep.models.layers.attention import SelfAttentivePooling, penalty
from jaxdep.models.layers.convolution import Edges
from jaxdep.models.layers.decision import decide, make_heads
from jaxdep.models.layers.dense import dropout, linear
from jaxdep.models.layers.pooling import Pooling, pool_states
from jaxdep.models.layers.recurrent import BiGRU, BiLSTM
from jaxdep.models.layers.tdnn import ResTDNN


@dataclasses.dataclass
class DirectText(ModelConfig):
    """Bi-LSTM over the segments of a session, pooled, to the session's decision (also over emotion features).

    Attributes:
        feature: [B, U, D], one vector a segment.
        hidden: of each direction.
        pooling: of the states over the segments: the last ones, their mean, maximum, or mean and deviation.
        dropout: on the pooled vector.
        time_chunk: segments whose gates are kept at a time (0: all); less memory for a third more arithmetic.
    """

    feature: str = "text"
    hidden: int = 128
    pooling: Pooling = "mean"
    dropout: float = 0.0
    time_chunk: int = 0
    initializer: str = "pytorch"

    def axes(self) -> Mapping[str, int]:
        return {self.feature: 1}

    def build(self, inputs: Mapping[str, int], outputs: Mapping[str, int], *, rngs: nnx.Rngs) -> nnx.Module:
        return SessionModel(self, inputs, outputs, rngs=rngs)


@dataclasses.dataclass
class DirectAudio(ModelConfig):
    """Bi-GRU over the frames of each segment, pooled, then a bi-GRU over the segments of the session, pooled.

    Attributes:
        feature: [B, U, T, D], frames of segments.
        frame_hidden, segment_hidden: of each direction.
        pooling: at both levels, as in `DirectText`.
        dropout: on both pooled vectors.
        time_chunk: frames, or segments, whose gates are kept at a time (0: all).
    """

    feature: str = "audio"
    frame_hidden: int = 128
    segment_hidden: int = 128
    pooling: Pooling = "mean"
    dropout: float = 0.0
    time_chunk: int = 0
    initializer: str = "pytorch"

    def axes(self) -> Mapping[str, int]:
        return {self.feature: 2}

    def build(self, inputs: Mapping[str, int], outputs: Mapping[str, int], *, rngs: nnx.Rngs) -> nnx.Module:
        return TwoLevelModel(self, inputs, outputs, rngs=rngs)


@dataclasses.dataclass
class EmotionAudio(ModelConfig):
    """The audio branch: Res-TDNN, 128-d frames, five attention heads, FC to the 128-d emotion feature, FC, decision.

    Attributes:
        feature: [B, T, D], the frames of a window.
        width: of the Res-TDNN layers.
        splice, taps: contexts of the input and of the two-tap layers, in frames.
        edges: whether the taps' layers shorten the window ("valid"), repeat its ends ("replicate") or put zeros
            beyond them ("zeros").
        frame_dim: of the frames that the attention pools; also of the emotion feature and the layer behind it.
        attention_units: width between W1 and W2 of the attention.
        head_sharpness: the diagonal of the penalty's target, one entry a head: near 1 spiky, near 0 smooth.
        penalty_weight: of the penalty in the loss.
        dropout: in the residual blocks.
        output_dropout: on the emotion feature.
    """

    feature: str = "audio"
    width: int = 512
    splice: tuple[int, ...] = (-2, -1, 0, 1, 2)
    taps: tuple[tuple[int, ...], ...] = ((-1, 2), (-3, 3), (-7, 2))
    edges: Edges = "valid"
    frame_dim: int = 128
    attention_units: int = 128
    head_sharpness: tuple[float, ...] = (1.0, 1.0, 1.0, 0.2, 0.2)
    penalty_weight: float = 1e-2
    dropout: float = 0.5
    output_dropout: float = 0.0
    initializer: str = "lecun_normal"

    def axes(self) -> Mapping[str, int]:
        return {self.feature: 1}

    def build(self, inputs: Mapping[str, int], outputs: Mapping[str, int], *, rngs: nnx.Rngs) -> nnx.Module:
        return EmotionAudioModel(self, inputs, outputs, rngs=rngs)


class SessionModel(nnx.Module):
    """The module of `DirectText`."""

    def __init__(self, config: DirectText, inputs: Mapping[str, int], outputs: Mapping[str, int], *, rngs: nnx.Rngs):
        self.config = config
        dim = inputs[config.feature]
        options: dict[str, Any] = {"initializer": config.initializer, "dtype": config.dtype}
        self.recurrent = BiLSTM(dim, config.hidden, rngs=rngs, time_chunk=config.time_chunk, **options)
        self.heads = make_heads(_pooled_dim(config.pooling, config.hidden), outputs, config.initializer, rngs)

    def __call__(self, features: Mapping[str, Masked], *, key: jax.Array | None = None) -> Outputs:
        values, mask = features[self.config.feature]
        states, final = self.recurrent(values, mask)
        session = dropout(pool_states(self.config.pooling, states, final, mask), self.config.dropout, key)
        return decide(self.heads, session, {"session": session})


class TwoLevelModel(nnx.Module):
    """The module of `DirectAudio`."""

    def __init__(self, config: DirectAudio, inputs: Mapping[str, int], outputs: Mapping[str, int], *, rngs: nnx.Rngs):
        self.config = config
        options: dict[str, Any] = {
            "rngs": rngs,
            "initializer": config.initializer,
            "dtype": config.dtype,
            "time_chunk": config.time_chunk,
        }
        self.frames = BiGRU(inputs[config.feature], config.frame_hidden, **options)
        self.segments = BiGRU(_pooled_dim(config.pooling, config.frame_hidden), config.segment_hidden, **options)
        self.heads = make_heads(_pooled_dim(config.pooling, config.segment_hidden), outputs, config.initializer, rngs)

    def __call__(self, features: Mapping[str, Masked], *, key: jax.Array | None = None) -> Outputs:
        values, mask = features[self.config.feature]  # [B, U, T, D]
        rate, pooling = self.config.dropout, self.config.pooling
        segment_key, session_key = (None, None) if key is None else jax.random.split(key)
        frame_mask = mask.reshape(-1, mask.shape[-1])  # [B U, T]
        states, final = self.frames(values.reshape(*frame_mask.shape, -1), frame_mask)
        segments = pool_states(pooling, states, final, frame_mask).reshape(*mask.shape[:2], -1)  # [B, U, 2H]
        segments, segment_mask = dropout(segments, rate, segment_key), mask.any(-1)
        states, final = self.segments(segments, segment_mask)
        session = dropout(pool_states(pooling, states, final, segment_mask), rate, session_key)
        return decide(self.heads, session, {"segments": segments, "session": session})


class EmotionAudioModel(nnx.Module):
    """The module of `EmotionAudio`."""

    def __init__(self, config: EmotionAudio, inputs: Mapping[str, int], outputs: Mapping[str, int], *, rngs: nnx.Rngs):
        self.config = config
        options: dict[str, Any] = {"rngs": rngs, "initializer": config.initializer, "dtype": config.dtype}
        self.encoder = ResTDNN(
            inputs[config.feature],
            config.width,
            splice_offsets=config.splice,
            taps=config.taps,
            tap_edges=config.edges,
            dropout_rate=config.dropout,
            **options,
        )
        heads = len(config.head_sharpness)
        self.frame = linear(config.width, config.frame_dim, **options)
        self.attention = SelfAttentivePooling(config.frame_dim, config.attention_units, heads, **options)
        self.emotion = linear(heads * config.frame_dim, config.frame_dim, **options)
        self.fusion = linear(config.frame_dim, config.frame_dim, **options)
        self.heads = make_heads(config.frame_dim, outputs, config.initializer, rngs)

    def __call__(self, features: Mapping[str, Masked], *, key: jax.Array | None = None) -> Outputs:
        encoder_key, output_key = (None, None) if key is None else jax.random.split(key)
        encoded, mask = self.encoder(*features[self.config.feature], encoder_key)
        pooled, weights = self.attention(self.frame(encoded), mask)
        emotion = jax.nn.relu(self.emotion(pooled))
        fused = jax.nn.relu(self.fusion(dropout(emotion, self.config.output_dropout, output_key)))
        loss = self.config.penalty_weight * penalty(weights, jnp.array(self.config.head_sharpness))
        return decide(self.heads, fused, {"emotion": emotion, "attention": weights}, loss)


def _pooled_dim(pooling: Pooling, hidden: int) -> int:
    return 4 * hidden if pooling == "mean_std" else 2 * hidden
