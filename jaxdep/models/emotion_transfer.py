"""System 1, emotion transfer: Wu, Wu and Yu, "Climate and Weather: Inspecting Depression Detection via Emotion
Recognition", ICASSP 2022.

`DirectText` and `DirectAudio` decide on a session from its features (section 2.3, Table 3). `EmotionAudio`,
`EmotionText` and `EmotionAudioText` are the emotion model (section 2.2) with one branch or both. What the paper leaves
open is a field here, explained in configs/emotion_transfer/README.md.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from input_pipeline.config import ConfigError
from jaxdep.models import Layout, Masked, ModelConfig, Outputs, Step, key_of, keys_of
from jaxdep.models.layers.attention import RelativePosition, SelfAttentivePooling, penalty, sharpness_targets
from jaxdep.models.layers.convolution import Edges
from jaxdep.models.layers.decision import head_outputs, make_heads
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

    def takes(self) -> Mapping[str, Layout]:
        return {self.feature: "sequence"}

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

    def takes(self) -> Mapping[str, Layout]:
        return {self.feature: "sequences"}

    def build(self, inputs: Mapping[str, int], outputs: Mapping[str, int], *, rngs: nnx.Rngs) -> nnx.Module:
        return TwoLevelModel(self, inputs, outputs, rngs=rngs)


@dataclasses.dataclass
class EmotionAudio(ModelConfig):
    """The audio branch: Res-TDNN, 128-d frames, five attention heads, FC to the 128-d emotion feature, FC, decision.

    Attributes:
        feature: [B, T, D], the frames of a window, or of an utterance.
        width: of the Res-TDNN layers.
        splice, taps: contexts of the input and of the two-tap layers, in frames.
        edges: whether the taps' layers shorten the window ("valid"), repeat its ends ("replicate") or put zeros
            beyond them ("zeros"). Whole utterances want one of the latter two: under "valid" one of fewer frames than
            the taps span, 19, has none left and counts as silent.
        frame_dim: of the frames that the attention pools; also of the emotion feature and the layer behind it.
        attention_units: width between W1 and W2 of the attention.
        head_sharpness: the diagonal of the penalty's target, one entry a head: near 1 spiky, near 1/T smooth, which is a
            flat average over the T valid frames of an example. 0 stands for just that, whatever T is.
        penalty_weight: of the penalty in the loss.
        dropout: in the residual blocks.
        head_dropout: on the pooled heads.
        output_dropout: on the emotion feature.
    """

    version: ClassVar[int] = 2

    feature: str = "audio"
    width: int = 512
    splice: tuple[int, ...] = (-2, -1, 0, 1, 2)
    taps: tuple[tuple[int, ...], ...] = ((-1, 2), (-3, 3), (-7, 2))
    edges: Edges = "valid"
    frame_dim: int = 128
    attention_units: int = 128
    head_sharpness: tuple[float, ...] = (1.0, 1.0, 1.0, 0.0, 0.0)
    penalty_weight: float = 1e-2
    dropout: float = 0.5
    head_dropout: float = 0.0
    output_dropout: float = 0.0
    initializer: str = "lecun_normal"

    def check(self) -> None:
        super().check()
        _check_sharpness(self.head_sharpness)

    def takes(self) -> Mapping[str, Layout]:
        return {self.feature: "sequence"}

    def build(self, inputs: Mapping[str, int], outputs: Mapping[str, int], *, rngs: nnx.Rngs) -> nnx.Module:
        audio = AudioBranch(self, inputs[self.feature], self.dtype, rngs=rngs)
        return EmotionModel(self, self.frame_dim, outputs, audio=audio, rngs=rngs)


@dataclasses.dataclass
class EmotionText(ModelConfig):
    """The text branch: a shared FC on the embeddings of an utterance and its neighbours, five attention heads, whose
    5 x 64 = 320 numbers are the emotion feature, FC, decision.

    Attributes:
        feature: [B, C, D], embeddings of consecutive utterances of a dialogue, an odd number (the paper's -3..+3: 7)
            with the current one in the middle. A vector of zeros is no utterance (beyond the dialogue's ends, or
            without words) and gets no attention; where all are zeros the middle one counts. Standardised, zeros would
            be zeros no more: `Data.unnormalized` must name the feature.
        text_dim: of the shared FC's output.
        attention_units: width between W1 and W2 of the attention.
        position: the paper's attention does not know which utterance is the current one ("none"); "bias" adds to each
            head's scores a learned number by position relative to it, which is ours.
        position_slope: at the start that number is -slope x sharpness of the head x distance: spiky heads start at the
            current utterance, those of sharpness 0 look around.
        reach: utterances to each side with numbers of their own; farther ones share those of the outermost.
        head_sharpness, penalty_weight: of the penalty, as in `EmotionAudio`.
        fusion_dim: of the layer behind the emotion feature.
        dropout: on the shared FC's output.
        output_dropout: on the emotion feature, which here is the pooled heads.
    """

    version: ClassVar[int] = 2

    feature: str = "text"
    text_dim: int = 64
    attention_units: int = 64
    position: Literal["none", "bias"] = "none"
    position_slope: float = 2.0
    reach: int = 3
    head_sharpness: tuple[float, ...] = (1.0, 1.0, 1.0, 0.0, 0.0)
    penalty_weight: float = 1e-2
    fusion_dim: int = 128
    dropout: float = 0.0
    output_dropout: float = 0.0
    initializer: str = "lecun_normal"

    def check(self) -> None:
        super().check()
        if self.reach < 0:
            raise ConfigError(f"reach: 0 or more utterances, found {self.reach}")
        _check_sharpness(self.head_sharpness)

    def takes(self) -> Mapping[str, Layout]:
        return {self.feature: "sequence"}

    def build(self, inputs: Mapping[str, int], outputs: Mapping[str, int], *, rngs: nnx.Rngs) -> nnx.Module:
        text = TextBranch(self, inputs[self.feature], self.dtype, rngs=rngs)
        return EmotionModel(self, self.fusion_dim, outputs, text=text, rngs=rngs)


@dataclasses.dataclass
class EmotionAudioText(ModelConfig):
    """Both branches; their vectors side by side, 128 + 320 = 448, are the emotion feature; FC, decision.

    Attributes:
        audio, text: the branches, with the dropout on each one's part of the emotion feature; what lies behind it, and
            `dtype`, is given here.
        fusion_dim: of the layer behind the emotion feature.
    """

    audio: EmotionAudio = dataclasses.field(default_factory=EmotionAudio)
    text: EmotionText = dataclasses.field(default_factory=EmotionText)
    fusion_dim: int = 128
    initializer: str = "lecun_normal"

    def check(self) -> None:
        super().check()
        for name, found, unset, ours in (
            ("audio.dtype", self.audio.dtype, EmotionAudio.dtype, self.dtype),
            ("text.dtype", self.text.dtype, EmotionText.dtype, self.dtype),
            ("text.fusion_dim", self.text.fusion_dim, EmotionText.fusion_dim, self.fusion_dim),
        ):
            if found not in (unset, ours):
                raise ConfigError(f"{name}: set {name.partition('.')[2]} beside audio and text, where it is {ours}")

    def takes(self) -> Mapping[str, Layout]:
        return {**self.audio.takes(), **self.text.takes()}

    def build(self, inputs: Mapping[str, int], outputs: Mapping[str, int], *, rngs: nnx.Rngs) -> nnx.Module:
        audio = AudioBranch(self.audio, inputs[self.audio.feature], self.dtype, rngs=rngs)
        text = TextBranch(self.text, inputs[self.text.feature], self.dtype, rngs=rngs)
        return EmotionModel(self, self.fusion_dim, outputs, audio=audio, text=text, rngs=rngs)


class SessionModel(nnx.Module):
    """The module of `DirectText`."""

    def __init__(self, config: DirectText, inputs: Mapping[str, int], outputs: Mapping[str, int], *, rngs: nnx.Rngs):
        self.config = config
        dim = inputs[config.feature]
        options: dict[str, Any] = {"initializer": config.initializer, "dtype": config.dtype}
        self.recurrent = BiLSTM(dim, config.hidden, rngs=rngs, time_chunk=config.time_chunk, **options)
        self.heads = make_heads(_pooled_dim(config.pooling, config.hidden), outputs, config.initializer, rngs)

    def __call__(self, features: Mapping[str, Masked], *, step: Step | None = None) -> Outputs:
        key = key_of(step)
        values, mask = features[self.config.feature]
        states, final = self.recurrent(values, mask)
        session = dropout(pool_states(self.config.pooling, states, final, mask), self.config.dropout, key)
        return head_outputs(self.heads, session, {"session": session})


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

    def __call__(self, features: Mapping[str, Masked], *, step: Step | None = None) -> Outputs:
        values, mask = features[self.config.feature]  # [B, U, T, D]
        rate, pooling = self.config.dropout, self.config.pooling
        segment_key, session_key = keys_of(step, 2)
        frame_mask = mask.reshape(-1, mask.shape[-1])  # [B U, T]
        states, final = self.frames(values.reshape(*frame_mask.shape, -1), frame_mask)
        segments = pool_states(pooling, states, final, frame_mask).reshape(*mask.shape[:2], -1)  # [B, U, 2H]
        segments, segment_mask = dropout(segments, rate, segment_key), mask.any(-1)
        states, final = self.segments(segments, segment_mask)
        session = dropout(pool_states(pooling, states, final, segment_mask), rate, session_key)
        return head_outputs(self.heads, session, {"segments": segments, "session": session})


class AudioBranch(nnx.Module):
    """`EmotionAudio` up to the emotion feature."""

    def __init__(self, config: EmotionAudio, dim: int, dtype: str, *, rngs: nnx.Rngs):
        self.config, self.dim = config, config.frame_dim
        options: dict[str, Any] = {"rngs": rngs, "initializer": config.initializer, "dtype": dtype}
        self.encoder = ResTDNN(
            dim,
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

    def __call__(
        self, frames: Masked, key: jax.Array | None = None
    ) -> tuple[Float[Array, "B D"], Float[Array, "B R U"], Bool[Array, "B U"]]:
        """The branch's part of the emotion feature, the attention, and over which frames it goes."""
        encoded, mask = self.encoder(*frames, key)
        pooled, weights = self.attention(self.frame(encoded), mask)
        # The key behind those that the encoder's blocks have.
        head_key = None if key is None else jax.random.fold_in(key, len(self.encoder.blocks))
        pooled = dropout(pooled, self.config.head_dropout, head_key)
        return jax.nn.relu(self.emotion(pooled)), weights, mask


class TextBranch(nnx.Module):
    """`EmotionText` up to the emotion feature."""

    def __init__(self, config: EmotionText, dim: int, dtype: str, *, rngs: nnx.Rngs):
        heads = len(config.head_sharpness)
        self.config, self.dim = config, heads * config.text_dim
        options: dict[str, Any] = {"rngs": rngs, "initializer": config.initializer, "dtype": dtype}
        self.utterance = linear(dim, config.text_dim, **options)
        self.attention = SelfAttentivePooling(config.text_dim, config.attention_units, heads, **options)
        slopes = [config.position_slope * sharpness for sharpness in config.head_sharpness]
        self.position = RelativePosition(slopes, config.reach) if config.position == "bias" else None

    def __call__(
        self, utterances: Masked, key: jax.Array | None = None
    ) -> tuple[Float[Array, "B D"], Float[Array, "B R C"], Bool[Array, "B C"]]:
        """The branch's part of the emotion feature, the attention, and over which utterances it goes."""
        distance = _distance(utterances.mask)
        spoken = _spoken(utterances, distance)
        vectors = jax.nn.relu(self.utterance(jnp.where(spoken[:, :, None], utterances.values, 0)))
        bias = None if self.position is None else self.position(distance)
        return *self.attention(dropout(vectors, self.config.dropout, key), spoken, bias), spoken


class EmotionModel(nnx.Module):
    """The module of `EmotionAudio`, `EmotionText` and `EmotionAudioText`: the branches, what fuses them, the decision.

    Its intermediates are "emotion" [B, D], the input of the fusing layer before dropout, and "audio_attention"
    [B, heads, frames] and "text_attention" [B, heads, utterances], zero where there is nothing.
    """

    def __init__(
        self,
        config: EmotionAudio | EmotionText | EmotionAudioText,
        fusion_dim: int,
        outputs: Mapping[str, int],
        *,
        audio: AudioBranch | None = None,
        text: TextBranch | None = None,
        rngs: nnx.Rngs,
    ):
        self.audio, self.text = audio, text
        dim = sum(branch.dim for branch in self.branches.values())
        self.fusion = linear(dim, fusion_dim, rngs=rngs, initializer=config.initializer, dtype=config.dtype)
        self.heads = make_heads(fusion_dim, outputs, config.initializer, rngs)

    @property
    def branches(self) -> dict[str, AudioBranch | TextBranch]:
        """Those there are, in the order of their vectors."""
        return {name: branch for name, branch in (("audio", self.audio), ("text", self.text)) if branch is not None}

    def __call__(self, features: Mapping[str, Masked], *, step: Step | None = None) -> Outputs:
        n = len(self.branches)
        keys = keys_of(step, 2 * n)
        vectors, dropped, penalties, attention = [], [], [], {}
        for (name, branch), branch_key, output_key in zip(self.branches.items(), keys[:n], keys[n:], strict=True):
            config = branch.config
            vector, weights, mask = branch(features[config.feature], branch_key)
            vectors.append(vector)
            dropped.append(dropout(vector, config.output_dropout, output_key))
            targets = sharpness_targets(config.head_sharpness, mask)
            penalties.append(config.penalty_weight * penalty(weights, targets))
            attention[f"{name}_attention"] = weights
        loss = jnp.sum(jnp.stack(penalties), axis=0)
        fused = jax.nn.relu(self.fusion(jnp.concatenate(dropped, axis=-1)))
        return head_outputs(self.heads, fused, {"emotion": jnp.concatenate(vectors, axis=-1), **attention}, loss)


def _check_sharpness(sharpness: tuple[float, ...]) -> None:
    if not sharpness or not all(0 <= wanted <= 1 for wanted in sharpness):
        raise ConfigError(f"head_sharpness: one number a head, from 0 (as flat as can be) to 1, found {sharpness}")


def _pooled_dim(pooling: Pooling, hidden: int) -> int:
    return 4 * hidden if pooling == "mean_std" else 2 * hidden


def _distance(mask: Bool[Array, "B C"]) -> Int[Array, "B C"]:
    """Of each utterance from the current one, which is the middle of those that are not padding."""
    middle = jnp.sum(mask, axis=1, keepdims=True) // 2
    return jnp.arange(mask.shape[1])[None, :] - middle


def _spoken(utterances: Masked, distance: Int[Array, "B C"]) -> Bool[Array, "B C"]:
    """Which positions have an utterance; where none has, the current one."""
    values, mask = utterances
    spoken = mask & jnp.any(values != 0, axis=-1)
    return jnp.where(jnp.any(spoken, axis=1, keepdims=True), spoken, mask & (distance == 0))
