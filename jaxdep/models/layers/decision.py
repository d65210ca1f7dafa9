"""The last layer of every model, a linear decision for each task, and the outputs that it gives."""

from collections.abc import Mapping

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from jaxdep.models import Outputs
from jaxdep.models.layers.dense import linear


def make_heads(dim: int, outputs: Mapping[str, int], initializer: str, rngs: nnx.Rngs) -> nnx.Dict:
    """A float32 layer for each task, by its number of outputs. Raises ConfigError where `initializer` names none."""
    return nnx.Dict({task: linear(dim, n, rngs=rngs, initializer=initializer) for task, n in outputs.items()})


def head_outputs(
    heads: nnx.Dict,
    hidden: Float[Array, "B D"],
    intermediates: Mapping[str, Array],
    penalty: Float[Array, " B"] | None = None,
) -> Outputs:
    """What `heads` decide on `hidden`; without a penalty it is zero."""
    logits = {task: head(hidden) for task, head in heads.items()}
    return Outputs(logits, jnp.zeros(len(hidden)) if penalty is None else penalty, intermediates)
