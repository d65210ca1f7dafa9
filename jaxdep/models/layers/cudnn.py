"""A layer of LSTM, of one direction or both, by NVIDIA's cuDNN (`jax.experimental.rnn`): one call forward, one back.

cuDNN takes the layer's input, where the scans of recurrent.py take its product with the kernel, and it has no seed axis: it is
for seeds that are computed one after another. It keeps what the gradient needs of all frames: `time_chunk` has no say.
Compiled for GPUs and held to JAX's own reference; never yet run on hardware.

Axes: B batch, T time, K directions, H hidden. Time leads.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import rnn
from jaxtyping import Array, Bool, Float


def lstm(
    x: Float[Array, "T B D"],
    valid: Bool[Array, "T B"],
    input_kernel: Float[Array, "D K 4*H"],
    recurrent_kernel: Float[Array, "K H 4*H"],
    bias: Float[Array, "K 4*H"],
) -> tuple[Float[Array, "T B K*H"], Float[Array, "K B H"]]:
    """The states at every frame, at masked ones anything, and the last of each direction. Gates in order i, f, g, o."""
    (_, batch, width), (directions, hidden, _) = x.shape, recurrent_kernel.shape
    # It reads the first so many frames of a sequence, and of each at least one: valid ones move to the front.
    order = jnp.argsort(~valid, axis=0, stable=True)
    frames = jnp.sum(valid, axis=0, dtype=jnp.int32)
    in_front = jnp.take_along_axis(x, order[:, :, None], axis=0)
    zero = jnp.zeros((directions, batch, hidden), x.dtype)
    states, last, _ = rnn.lstm(
        jnp.swapaxes(in_front, 0, 1),
        zero,
        zero,
        _packed(input_kernel, recurrent_kernel, bias),
        jnp.maximum(frames, 1),
        width,
        hidden,
        1,  # layer
        0.0,  # of dropout between layers
        directions == 2,
        (_precision(),) * 2,
    )
    place = jnp.maximum(jnp.cumsum(valid, axis=0) - 1, 0)
    states = jnp.take_along_axis(jnp.swapaxes(states, 0, 1), place[:, :, None], axis=0)
    return states, jnp.where(frames[None, :, None] > 0, last, 0)


def _packed(input_kernel: Array, recurrent_kernel: Array, bias: Array) -> Float[Array, " N"]:
    """All weights in a row: of each direction both kernels, transposed; then of each both biases, of which ours is the sum."""
    kernels = [
        part.T.ravel()
        for direction in range(len(bias))
        for part in (input_kernel[:, direction], recurrent_kernel[direction])
    ]
    biases = jnp.stack([bias, jnp.zeros_like(bias)], axis=1)
    return jnp.concatenate([*kernels, biases.ravel()])


def _precision() -> lax.Precision:
    """The run's; unless told so in a pair, cuDNN takes TensorFloat32."""
    wanted = jax.config.values["jax_default_matmul_precision"]
    return lax.Precision.HIGHEST if wanted in ("highest", "float32") else lax.Precision.HIGH
