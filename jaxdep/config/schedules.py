"""How the learning rate goes over the epochs. A schedule is one class, which a config names; `Newbob` alone asks the scores."""

import dataclasses
import math
from abc import ABC, abstractmethod

import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Scalar

from input_pipeline.config import Config, ConfigError


@dataclasses.dataclass
class Schedule(Config, ABC):
    """Base of the schedules: a factor of the learning rate, constant within an epoch.

    By epochs and not by steps, so that it is the same for seeds whose splits have fewer batches. What `Training` does on a
    plateau multiplies it.

    Attributes:
        warmup_epochs: n epochs in which the factor rises linearly first, 1 / (n + 1), ..., n / (n + 1); those that remain
            are the schedule's own.
    """

    warmup_epochs: int = dataclasses.field(default=0, kw_only=True)

    def check(self) -> None:
        if self.warmup_epochs < 0:
            raise ConfigError(f"warmup_epochs: 0 or more, found {self.warmup_epochs}")

    def scale(self, epoch: Int[Scalar, ""], epochs: int) -> Float[Array, ""]:
        """The factor in an epoch, from 0 on, of training that has so many."""
        warmup = self.warmup_epochs
        remaining = self.after_warmup(jnp.maximum(epoch - warmup, 0), max(epochs - warmup, 1))
        return jnp.where(epoch < warmup, (epoch + 1) / (warmup + 1), remaining).astype(jnp.float32)

    @abstractmethod
    def after_warmup(self, epoch: Int[Array, ""], epochs: int) -> Float[Array, ""] | float:
        """The factor in an epoch after the warm-up, counted from there, of so many."""


@dataclasses.dataclass
class Constant(Schedule):
    """The learning rate as it is."""

    def after_warmup(self, epoch: Array, epochs: int) -> float:
        return 1.0


@dataclasses.dataclass
class Cosine(Schedule):
    """Half a cosine from 1 to `floor`, which the epoch behind the last one would have (Loshchilov and Hutter 2017)."""

    floor: float = 0.0

    def check(self) -> None:
        super().check()
        if not 0 <= self.floor <= 1:
            raise ConfigError(f"floor: a share from 0 to 1, found {self.floor}")

    def after_warmup(self, epoch: Array, epochs: int) -> Array:
        return self.floor + (1 - self.floor) * 0.5 * (1 + jnp.cos(math.pi * epoch / epochs))


@dataclasses.dataclass
class StepDecay(Schedule):
    """Multiplied by `factor` after every so many epochs."""

    every: int = 10
    factor: float = 0.1

    def check(self) -> None:
        super().check()
        if self.every < 1:
            raise ConfigError(f"every: at least 1, found {self.every}")
        if not 0 < self.factor <= 1:
            raise ConfigError(f"factor: a share above 0 and up to 1, found {self.factor}")

    def after_warmup(self, epoch: Array, epochs: int) -> Array:
        return jnp.float32(self.factor) ** (epoch // self.every)


@dataclasses.dataclass
class Newbob(Schedule):
    """Multiplied by `factor` after every epoch whose monitored score gains too little on the best one before: HTK's
    schedule, as the code TSB-TAB has it (Wu, Zhang and Woodland 2021). It takes the place of `Training.plateau_*`.

    Attributes:
        threshold: the least gain that is enough, in the unit of the monitored metric.
        ramp_from: the epoch, counted from 1, from which on an epoch that gains too little begins the ramp: from there the
            rate is multiplied after every epoch (0: never).
        goes_back: an epoch that gains nothing is undone: the next one goes on from the best epoch's parameters, statistics
            and optimiser.
    """

    factor: float = 0.5
    threshold: float = 0.001
    ramp_from: int = 20
    goes_back: bool = True

    def check(self) -> None:
        super().check()
        if not 0 < self.factor <= 1:
            raise ConfigError(f"factor: a share above 0 and up to 1, found {self.factor}")
        if not 0 <= self.threshold < math.inf:
            raise ConfigError(f"threshold: a gain of 0 or more, found {self.threshold}")
        if self.ramp_from < 0:
            raise ConfigError(f"ramp_from: 0 or more, found {self.ramp_from}")

    def after_warmup(self, epoch: Array, epochs: int) -> float:
        return 1.0
