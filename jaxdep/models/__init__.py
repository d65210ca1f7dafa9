"""Architectures, one file a paper; what a model takes and returns is defined here.

A model is a Flax NNX module that owns parameters (and batch statistics) and nothing else: no random state, no seed
axis. Its config is a dataclass with a `build` method, so that a config file chooses a model by naming it.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import jax
from flax import nnx
from jaxtyping import Array, Bool, Float, Num, PRNGKeyArray

from input_pipeline.config import Config, ConfigError, field_names

# How a feature of a batch lies in its array, and what its mask has an entry for:
#   vector     values [B, D]           mask [B]
#   sequence   values [B, T, D]        mask [B, T]
#   sequences  values [B, U, T, D]     mask [B, U, T]
#   image      values [B, H, W, C]     mask [B]
#   images     values [B, F, H, W, C]  mask [B, F]
# Values are float32, whatever they are on disk, or int32 where they are indices (into a table of vectors).
Layout = Literal["vector", "sequence", "sequences", "image", "images"]


class Masked(NamedTuple):
    """A feature of a batch.

    Attributes:
        values: as its `Layout` says, zero where `mask` is False.
        mask: False where padded; False throughout for an example without the feature.
    """

    values: Num[Array, " batch *axes dim"]
    mask: Bool[Array, " batch *time"]


class Outputs(NamedTuple):
    """What a model returns.

    Attributes:
        logits: by task, [B, classes], or [B, 1] for a score.
        penalty: [B], added to each example's loss; zeros where a model has none.
        intermediates: by name, [B, ...], what other stages may extract.
    """

    logits: Mapping[str, Float[Array, "batch outputs"]]
    penalty: Float[Array, " batch"]
    intermediates: Mapping[str, Array]


class Step(NamedTuple):
    """What a model is told in training, and only there.

    Attributes:
        key: of all that it draws (dropout), the same on all devices that share the batch (layers/draws.py).
        valid: [B], False for rows that only fill up the batch, whose features are masked throughout. What mixes
            examples, as a batch norm does, must leave them out.
        axis: the mesh axis whose devices share the batch, or None; what mixes examples must reach over it.
    """

    key: PRNGKeyArray
    valid: Bool[Array, " batch"]
    axis: str | None = None


def key_of(step: Step | None) -> PRNGKeyArray | None:
    """The key of what a model draws, or None in evaluation, where nothing is drawn."""
    return None if step is None else step.key


def keys_of(step: Step | None, count: int) -> Sequence[PRNGKeyArray | None]:
    """As `key_of`, for a model that draws at several places, each with a key of its own."""
    return [None] * count if step is None else list(jax.random.split(step.key, count))


class Model(Protocol):
    """A callable module: `model(features, step=step)`; without a step it is deterministic, as in evaluation."""

    def __call__(self, features: Mapping[str, Masked], *, step: Step | None = None) -> Outputs: ...


@dataclasses.dataclass
class ModelConfig(Config):
    """Base of the models' configs. Fields called so at their end are sizes (`hidden`, ...) or rates (`dropout`).

    Attributes:
        dtype: of products, gates and activations. Parameters, cell states, poolings and decisions stay float32;
            bfloat16 is for accelerators, where it halves memory and traffic.
    """

    dtype: Literal["float32", "bfloat16"] = dataclasses.field(default="float32", kw_only=True)
    may_be_zero: ClassVar[tuple[str, ...]] = ("time_chunk",)  # sizes where 0 means none, or the whole

    def check(self) -> None:
        for name in field_names(self):
            value = getattr(self, name)
            if name in self.may_be_zero:
                if value < 0:
                    raise ConfigError(f"{name}: 0 or more, found {value}")
            elif name.endswith(("hidden", "width", "dim", "units")) and value < 1:
                raise ConfigError(f"{name}: at least 1, found {value}")
            if name.endswith("dropout") and not 0 <= value < 1:
                raise ConfigError(f"{name}: a rate from 0 to below 1, found {value}")

    def takes(self) -> Mapping[str, Layout]:
        """By the name of a feature that the model takes, how an example of it is laid out."""
        return {}

    def published(self, checkpoint: str) -> Mapping[str, Any]:
        """What a published checkpoint has for this model: parameters and statistics, nested as in the module.

        Args:
            checkpoint: a file, a folder or a name on a hub, as the model's file says.

        Raises:
            ConfigError: no such checkpoints are known to the model.
            DataError: it is not there, or damaged.
        """
        raise ConfigError(f"start: {type(self).__name__} reads no published checkpoint, found {checkpoint!r}")

    def build(self, inputs: Mapping[str, int], outputs: Mapping[str, int], *, rngs: nnx.Rngs) -> nnx.Module:
        """Makes the module.

        Args:
            inputs: by feature name, the length of its last axis: a vector's dimension D, an image's channels C.
            outputs: by task, the number of logits.
            rngs: the stream `params` initialises every parameter.
        """
        raise ConfigError("model: no model was chosen; name a config of jaxdep.models")
