"""System 6, DepAudioNet: Ma, Yang, Chen, Huang and Wang, "DepAudioNet: An Efficient Deep Model for Audio based Depression
Classification" (AVEC 2016).

One convolution over time across all bands, LSTMs, and a decision on each window of a session; the session's is their
vote (`Task.unit_decision`). The sizes are those of Bailey and Plumbley's reproduction ("Gender Bias in Depression
Detection Using Audio Features", EUSIPCO 2021); configs/depaudionet/README.md says what is from where.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
from flax import nnx

from input_pipeline.config import ConfigError
from jaxdep.models import Layout, Masked, ModelConfig, Outputs, Step, key_of
from jaxdep.models.layers.convolution import Convolution
from jaxdep.models.layers.decision import head_outputs, make_heads
from jaxdep.models.layers.dense import dropout
from jaxdep.models.layers.normalization import BatchNorm
from jaxdep.models.layers.pooling import max_pool
from jaxdep.models.layers.recurrent import LSTM


@dataclasses.dataclass
class DepAudioNet(ModelConfig):
    """Convolution over time, batch norm, ReLU, maximum of a few frames, dropout, LSTMs, decision on their last state.

    Attributes:
        feature: [B, T, D], log-mel frames of a window.
        channels: of the convolution.
        kernel: frames that it joins, an odd number.
        pool: frames of which the maximum is left.
        dropout: on what the LSTMs read.
        layers: of LSTMs, one above the other.
        hidden: of each.
    """

    feature: str = "audio"
    channels: int = 128
    kernel: int = 3
    pool: int = 3
    dropout: float = 0.05
    layers: int = 2
    hidden: int = 128
    initializer: str = "pytorch"

    def check(self) -> None:
        super().check()
        for name in ("channels", "pool", "layers"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}: at least 1, found {getattr(self, name)}")
        if self.kernel < 1 or self.kernel % 2 == 0:
            raise ConfigError(f"kernel: an odd number of frames, found {self.kernel}")

    def takes(self) -> Mapping[str, Layout]:
        return {self.feature: "sequence"}

    def build(self, inputs: Mapping[str, int], outputs: Mapping[str, int], *, rngs: nnx.Rngs) -> nnx.Module:
        return DepAudioNetModel(self, inputs[self.feature], outputs, rngs=rngs)


class DepAudioNetModel(nnx.Module):
    """The module of `DepAudioNet`."""

    def __init__(self, config: DepAudioNet, dim: int, outputs: Mapping[str, int], *, rngs: nnx.Rngs):
        self.config = config
        options: dict[str, Any] = {"rngs": rngs, "initializer": config.initializer, "dtype": config.dtype}
        self.convolution = Convolution(dim, config.channels, config.kernel, **options)
        self.norm = BatchNorm(config.channels, dtype=config.dtype)
        self.recurrent = LSTM(config.channels, config.hidden, layers=config.layers, **options)
        self.heads = make_heads(config.hidden, outputs, config.initializer, rngs)

    def __call__(self, features: Mapping[str, Masked], *, step: Step | None = None) -> Outputs:
        frames, mask = features[self.config.feature]
        x = self.norm(self.convolution(frames, mask), step, mask)
        x, mask = max_pool(x, mask, self.config.pool)
        x = jax.nn.relu(x)  # of the maximum, which is the maximum of ReLUs
        x = dropout(x, self.config.dropout, key_of(step))
        window = self.recurrent(x, mask)[1]
        return head_outputs(self.heads, window, {"window": window})
