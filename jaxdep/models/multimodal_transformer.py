"""The Multimodal Transformer, which AMM is compared with: Tsai et al., "Multimodal Transformer for Unaligned Multimodal Language
Sequences" (ACL 2019), of text and pictures.

Each modality asks the other one through layers of attention, reads what it got by layers that ask itself, and its last
state stands for it (sections 3.1 to 3.3); of the authors' code are the block before the decision and what `transformer.py`
names. Nothing is trained beforehand, though Zhang et al. (BIBM 2021) speak of a pre-trained architecture.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from input_pipeline.config import ConfigError
from jaxdep.models import Layout, Masked, ModelConfig, Outputs, Step, keys_of
from jaxdep.models.layers.decision import head_outputs, make_heads
from jaxdep.models.layers.dense import dropout, linear
from jaxdep.models.layers.pooling import last_valid
from jaxdep.models.layers.transformer import Transformer


@dataclasses.dataclass
class MultimodalTransformer(ModelConfig):
    """A modality that an example lacks adds zeros, and answers nothing.

    Attributes:
        text: [B, T, D], a vector a word.
        image: [B, N, D], a vector a zone or clip.
        width: of every state; even, and divided by `heads`.
        heads: of each attention.
        layers: in which a modality asks the other one.
        memory_layers: in which it then asks itself.
        dropout: on states with their positions, within and behind each part of a layer, and within the last block.
    """

    text: str = "text"
    image: str = "image"
    width: int = 40
    heads: int = 8
    layers: int = 4
    memory_layers: int = 3
    dropout: float = 0.2
    initializer: str = "pytorch"

    def check(self) -> None:
        super().check()
        for name in ("heads", "layers", "memory_layers"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: at least 1, found {getattr(self, name)}")
        if self.width % 2 or self.width % self.heads:
            raise ConfigError(f"width: an even number that {self.heads} heads divide, found {self.width}")

    def takes(self) -> Mapping[str, Layout]:
        return {self.text: "sequence", self.image: "sequence"}

    def build(self, inputs: Mapping[str, int], outputs: Mapping[str, int], *, rngs: nnx.Rngs) -> nnx.Module:
        return MultimodalTransformerModel(self, inputs, outputs, rngs=rngs)


class MultimodalTransformerModel(nnx.Module):
    """The module of `MultimodalTransformer`."""

    def __init__(
        self, config: MultimodalTransformer, inputs: Mapping[str, int], outputs: Mapping[str, int], *, rngs: nnx.Rngs
    ):
        self.config = config
        options: dict[str, Any] = {"rngs": rngs, "initializer": config.initializer, "dtype": config.dtype}
        width, names = config.width, {"text": config.text, "image": config.image}

        def stack(layers: int) -> Transformer:
            return Transformer(width, config.heads, layers, config.dropout, options)

        self.projections = nnx.Dict(
            {modality: linear(inputs[name], width, use_bias=False, **options) for modality, name in names.items()}
        )
        self.crossmodal = nnx.Dict({modality: stack(config.layers) for modality in names})
        self.memory = nnx.Dict({modality: stack(config.memory_layers) for modality in names})
        self.inner, self.outer = (linear(2 * width, 2 * width, **options) for _ in range(2))
        self.heads = make_heads(2 * width, outputs, config.initializer, rngs)

    def __call__(self, features: Mapping[str, Masked], *, step: Step | None = None) -> Outputs:
        config = self.config
        stacks = (*self.crossmodal.values(), *self.memory.values())
        keys = iter(keys_of(step, sum(stack.draws for stack in stacks) + 1))
        states = {}
        for modality, name in {"text": config.text, "image": config.image}.items():
            values, mask = features[name]
            states[modality] = Masked(self.projections[modality](jnp.where(mask[:, :, None], values, 0)), mask)
        vectors = {}
        for modality, other in (("text", "image"), ("image", "text")):
            told = self.crossmodal[modality](states[modality], states[other], keys)
            vectors[modality] = last_valid(*self.memory[modality](told, None, keys)).astype(jnp.float32)
        joined = jnp.concatenate(list(vectors.values()), axis=-1)
        inner = dropout(jax.nn.relu(self.inner(joined)), config.dropout, next(keys))
        return head_outputs(self.heads, joined + self.outer(inner), vectors)
