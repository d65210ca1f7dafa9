"""System 2, AMM: Zhang, Li, Rong and Tiwari, "Multi-Task Learning for Jointly Detecting Depression and Emotion" (BIBM 2021).

Words and clips (or zones of an image) are encoded and pooled by attention (section III.B), joined with what is known
besides them (III.C), attend to one another (III.D), and are read by one LSTM a task, each of which attends to the other's
(III.E). `AMM` is the whole network, and by its switches Text-AMM, Image-AMM, single tasks and the ablations of Table V.

Read literally, Equations 3, 4 and 6 attend from one vector to one vector, and the softmax of one score is 1 whatever the
vectors are. `form="literal"` is that; in `form="sequence"` a modality's vector asks the other one's states, the LSTMs read
the two answers one after another, and a task's last state asks all states of the other's: the equations with more than
one key.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from input_pipeline.config import ConfigError
from jaxdep.models import Layout, Masked, ModelConfig, Outputs, Step, keys_of
from jaxdep.models.layers.attention import SelfAttentivePooling, masked_softmax
from jaxdep.models.layers.decision import make_heads
from jaxdep.models.layers.dense import dropout, linear
from jaxdep.models.layers.recurrent import GRU, LSTM, BiGRU

Form = Literal["sequence", "literal"]


@dataclasses.dataclass
class AMM(ModelConfig):
    """The network of section III. A modality or a knowledge vector whose name is "" is left out.

    Attributes:
        text: [B, T, D], a vector a word.
        image: [B, N, D], a vector a clip or zone.
        gender: [B, D], the embedding of the word, beside the text's vector; needs the text.
        colour: [B, D], the histogram, beside the image's vector; needs the image.
        hidden: of each direction of the text's BiGRU.
        image_hidden: of the image's GRU.
        attention_units: between the two layers of Equation 2.
        heads: of the attention between modalities (H of Equation 3).
        head_dim: of a head's query, key and value (d_k).
        task_hidden: of the LSTM of a task, and of the query, key and value between tasks.
        form: of Equations 3, 4 and 6, as this file's docstring tells.
        inter_modal: False puts the modalities' vectors, each through a layer of its own, in the place of the attention
            between them (Table V, "No Ie").
        inter_task: False decides each task on its own LSTM (Table V, "No It"). With one task it has no meaning.
        dropout: on the vectors of the modalities and on what each task is decided on.
    """

    text: str = "text"
    image: str = "image"
    gender: str = ""
    colour: str = ""
    hidden: int = 128
    image_hidden: int = 128
    attention_units: int = 128
    heads: int = 8
    head_dim: int = 32
    task_hidden: int = 128
    form: Form = "sequence"
    inter_modal: bool = True
    inter_task: bool = True
    dropout: float = 0.3
    initializer: str = "uniform_0.1"

    def check(self) -> None:
        super().check()
        if not self.text and not self.image:
            raise ConfigError("text: neither text nor image is given; name one of the two features")
        for knowledge, modality in (("gender", "text"), ("colour", "image")):
            if getattr(self, knowledge) and not getattr(self, modality):
                raise ConfigError(f"{knowledge}: it stands beside {modality}, which is left out; leave it out too")
        if self.heads < 1:
            raise ConfigError(f"heads: at least 1, found {self.heads}")

    def takes(self) -> Mapping[str, Layout]:
        layouts: dict[str, Layout] = {self.text: "sequence", self.image: "sequence", self.gender: "vector"}
        layouts[self.colour] = "vector"
        return {name: layout for name, layout in layouts.items() if name}

    def build(self, inputs: Mapping[str, int], outputs: Mapping[str, int], *, rngs: nnx.Rngs) -> nnx.Module:
        """Raises ConfigError for more than two tasks: Equation 6 has two."""
        if len(outputs) > 2:
            raise ConfigError(f"tasks: attention between tasks is between two, found {', '.join(outputs)}")
        return AMMModel(self, inputs, outputs, rngs=rngs)


class Encoder(nnx.Module):
    """Recurrent states of a modality, their attentive pooling, and a knowledge vector beside both (III.B, III.C).

    Attributes:
        dim: of the states and of the vector.
    """

    def __init__(self, recurrent: BiGRU | GRU, width: int, knowledge: int, config: AMM, *, rngs: nnx.Rngs):
        options: dict[str, Any] = {"rngs": rngs, "initializer": config.initializer, "dtype": config.dtype}
        self.recurrent = recurrent
        self.pooling = SelfAttentivePooling(width, config.attention_units, 1, use_bias=True, **options)
        self.dim = width + knowledge

    def __call__(self, feature: Masked, knowledge: Masked | None) -> tuple[Masked, Masked]:
        """The states [B, T, D] and the vector [B, D], zero where there are none."""
        states, _ = self.recurrent(*feature)
        vector, _ = self.pooling(states, feature.mask)
        if knowledge is not None:
            known = jnp.where(knowledge.mask[:, None], knowledge.values, 0).astype(states.dtype)
            everywhere = jnp.broadcast_to(known[:, None, :], (*states.shape[:2], known.shape[-1]))
            states = jnp.concatenate([states, everywhere], axis=-1)
            vector = jnp.concatenate([vector, known.astype(vector.dtype)], axis=-1)
        present = jnp.any(feature.mask, axis=1)
        return (
            Masked(jnp.where(feature.mask[:, :, None], states, 0), feature.mask),
            Masked(jnp.where(present[:, None], vector, 0), present),
        )


class CrossAttention(nnx.Module):
    """Heads of a query over keys and values, side by side: softmax(Q Kᵀ scale) V (Equations 3, 4 and 6)."""

    def __init__(self, query: int, keys: int, heads: int, head_dim: int, scale: float, options: Mapping[str, Any]):
        self.heads, self.scale = heads, scale
        width = heads * head_dim
        self.query = linear(query, width, use_bias=False, **options)
        self.key = linear(keys, width, use_bias=False, **options)
        self.value = linear(keys, width, use_bias=False, **options)

    def __call__(
        self, query: Float[Array, "B Q"], states: Float[Array, "B T K"], mask: Bool[Array, "B T"]
    ) -> Float[Array, "B heads*head_dim"]:
        """Zero where no state is valid."""
        batch, frames = states.shape[:2]
        Q = self.query(query).reshape(batch, self.heads, -1)
        K = self.key(states).reshape(batch, frames, self.heads, -1)
        V = self.value(states).reshape(batch, frames, self.heads, -1)
        scores = jnp.einsum("bhd,bthd->bht", Q, K, preferred_element_type=jnp.float32) * self.scale
        A = masked_softmax(scores, mask[:, None, :])
        return jnp.einsum("bht,bthd->bhd", A.astype(V.dtype), V, preferred_element_type=jnp.float32).reshape(batch, -1)


class AMMModel(nnx.Module):
    """The module of `AMM`."""

    def __init__(self, config: AMM, inputs: Mapping[str, int], outputs: Mapping[str, int], *, rngs: nnx.Rngs):
        self.config = config
        options: dict[str, Any] = {"rngs": rngs, "initializer": config.initializer, "dtype": config.dtype}
        encoders = {}
        if config.text:
            words = BiGRU(inputs[config.text], config.hidden, **options)
            encoders["text"] = Encoder(words, 2 * config.hidden, inputs.get(config.gender, 0), config, rngs=rngs)
        if config.image:
            clips = GRU(inputs[config.image], config.image_hidden, **options)
            encoders["image"] = Encoder(clips, config.image_hidden, inputs.get(config.colour, 0), config, rngs=rngs)
        self.encoders = nnx.Dict(encoders)
        self.modalities, self.tasks = tuple(encoders), tuple(outputs)  # in their order, which nnx.Dict does not keep
        width = config.heads * config.head_dim
        dims = {name: encoder.dim for name, encoder in encoders.items()}
        pairs = [(name, other) for name in dims for other in dims if other != name]
        layers: dict[str, nnx.Module]
        if config.inter_modal and pairs:
            asked = (config.heads, config.head_dim, config.head_dim**-0.5, options)
            layers = {name: CrossAttention(dims[name], dims[other], *asked) for name, other in pairs}
        else:
            layers = {name: linear(dim, width, **options) for name, dim in dims.items()}
        self.fusion = nnx.Dict(layers)
        steps, size = (1, len(dims) * width) if config.form == "literal" else (len(dims), width)
        self.steps = steps
        hidden = config.task_hidden
        self.readers = nnx.Dict({task: LSTM(size, hidden, **options) for task in outputs})
        self.between = nnx.Dict(
            {task: CrossAttention(hidden, hidden, 1, hidden, 1.0, options) for task in outputs}
            if config.inter_task and len(outputs) == 2
            else {}
        )
        self.heads = make_heads(hidden, outputs, config.initializer, rngs)

    def __call__(self, features: Mapping[str, Masked], *, step: Step | None = None) -> Outputs:
        keys = iter(keys_of(step, len(self.modalities) + len(self.tasks)))
        states, vectors = self._encoded(features)
        fused = self._fused(states, vectors, {name: next(keys) for name in self.modalities})
        valid = jnp.ones(fused.shape[:2], bool)
        read = {task: self.readers[task](fused, valid)[0] for task in self.tasks}
        decided = {}
        for task, own in read.items():
            decided[task] = own[:, -1]
            if self.between:
                (other,) = (theirs for name, theirs in read.items() if name != task)
                decided[task] = self.between[task](own[:, -1], other, valid)
        logits = {
            task: self.heads[task](dropout(decided[task].astype(jnp.float32), self.config.dropout, next(keys)))
            for task in self.tasks
        }
        found = {name: vector.values for name, vector in vectors.items()}
        return Outputs(logits, jnp.zeros(len(fused)), {**found, "fused": fused.reshape(len(fused), -1), **decided})

    def _encoded(self, features: Mapping[str, Masked]) -> tuple[dict[str, Masked], dict[str, Masked]]:
        """By modality the states [B, T, D] and the vector [B, D], each with what is known besides."""
        config = self.config
        names = {"text": (config.text, config.gender), "image": (config.image, config.colour)}
        states, vectors = {}, {}
        for modality in self.modalities:
            feature, knowledge = names[modality]
            known = features[knowledge] if knowledge else None
            states[modality], vectors[modality] = self.encoders[modality](features[feature], known)
        return states, vectors

    def _fused(
        self, states: Mapping[str, Masked], vectors: Mapping[str, Masked], keys: Mapping[str, PRNGKeyArray | None]
    ) -> Float[Array, "B steps width"]:
        """What the tasks' LSTMs read (Equation 5): what each modality has asked of the other, or, alone or without
        attention between them, its vector."""
        literal, parts = self.config.form == "literal", []
        dropped = {name: dropout(x.values, self.config.dropout, keys[name]) for name, x in vectors.items()}
        for name in self.modalities:
            layer = self.fusion[name]
            if not isinstance(layer, CrossAttention):
                parts.append(layer(dropped[name]))
                continue
            (other,) = (other for other in vectors if other != name)
            asked = (dropped[other][:, None], vectors[other].mask[:, None]) if literal else states[other]
            parts.append(layer(dropped[name], *asked))
        joined = jax.nn.relu(jnp.stack(parts, axis=1))
        return joined.reshape(len(joined), self.steps, -1)
