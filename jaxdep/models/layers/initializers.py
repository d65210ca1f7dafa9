"""Weight initialisers by name, so that an experiment's config can choose one.

Kernels lie as [in, out]. A bias is zero under every scheme but PyTorch's, which draws it as it draws the kernel.
"""

import math
from typing import Any

import jax
from jax.nn import initializers

from input_pipeline.config import ConfigError

Initializer = initializers.Initializer

_KERNELS: dict[str, Initializer] = {
    "he_normal": initializers.he_normal(),
    "he_uniform": initializers.he_uniform(),
    "lecun_normal": initializers.lecun_normal(),
    "lecun_uniform": initializers.lecun_uniform(),
    "orthogonal": initializers.orthogonal(),
    "xavier_normal": initializers.xavier_normal(),
    "xavier_uniform": initializers.xavier_uniform(),
}
_UNIFORM = "uniform_"
KNOWN = (*sorted(_KERNELS), "keras", "pytorch", "uniform_0.1 (or any other limit)")


def get(name: str, fan_in: int | None = None, taps: int = 1) -> Initializer:
    """The initialiser of a kernel [in, out].

    Args:
        name: one of `KNOWN`. "uniform_0.1" draws from U(-0.1, 0.1); "pytorch" from U(±1/√fan_in), the default of
            torch.nn.Linear (fan_in = in) and of torch.nn.LSTM and GRU (fan_in = their hidden size); "keras" from
            U(±√(6 / (in + taps out))), the default of Keras's Dense and Conv layers.
        fan_in: for "pytorch" alone; the kernel's own number of rows where it is None.
        taps: for "keras" alone: of a convolution the places that it joins, whose inputs are the rows together.

    Raises:
        ConfigError: no initialiser has this name; the message lists those there are.
    """
    if name == "pytorch":
        return _pytorch(fan_in)
    if name == "keras":
        return _keras(taps)
    if name.startswith(_UNIFORM):
        return _symmetric_uniform(_limit(name))
    if name not in _KERNELS:
        raise ConfigError(_unknown(name))
    return _KERNELS[name]


def get_bias(name: str, fan_in: int) -> Initializer:
    """The initialiser of the bias beside a kernel of `get(name)`: U(±1/√fan_in) for "pytorch", else zeros.

    Raises:
        ConfigError: no initialiser has this name; the message lists those there are.
    """
    get(name)
    return _pytorch(fan_in) if name == "pytorch" else initializers.zeros


def _pytorch(fan_in: int | None) -> Initializer:
    def init(key: Any, shape: Any, dtype: Any = None, out_sharding: Any = None) -> jax.Array:
        return _symmetric_uniform(1 / math.sqrt(shape[-2] if fan_in is None else fan_in))(key, shape, dtype)

    return init


def _keras(taps: int) -> Initializer:
    def init(key: Any, shape: Any, dtype: Any = None, out_sharding: Any = None) -> jax.Array:
        return _symmetric_uniform(math.sqrt(6 / (shape[-2] + taps * shape[-1])))(key, shape, dtype)

    return init


def _symmetric_uniform(limit: float) -> Initializer:
    def init(key: Any, shape: Any, dtype: Any = None, out_sharding: Any = None) -> jax.Array:
        return jax.random.uniform(key, shape, dtype or float, minval=-limit, maxval=limit)

    return init


def _limit(name: str) -> float:
    try:
        limit = float(name.removeprefix(_UNIFORM))
    except ValueError:
        raise ConfigError(_unknown(name)) from None
    if not (math.isfinite(limit) and limit > 0):
        raise ConfigError(f"initializer: the limit of {name!r} is no positive number; write one such as 'uniform_0.1'")
    return limit


def _unknown(name: str) -> str:
    return f"initializer: there is none named {name!r}; choose one of {', '.join(KNOWN)}"
