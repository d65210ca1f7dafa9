"""What a task's outputs mean: how many there are, each example's loss, the decision.

A loss is one class, which a config names: `Task(loss=Huber(delta=0.5))`. A new one derives from `ClassLoss` or `ScoreLoss`,
which know what a missing target and the classes' weights are.
"""

import dataclasses
import math
from abc import ABC, abstractmethod
from typing import ClassVar

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, Num

from input_pipeline.config import Config, ConfigError


@dataclasses.dataclass
class Loss(Config, ABC):
    """Base of the losses; `*batch` is any number of axes.

    Attributes:
        of_classes: whether it is of a label with classes, and not of a score.
    """

    of_classes: ClassVar[bool]

    def check_label(self, field: str, classes: int) -> None:
        """Raises ConfigError, which begins with `field`, where it is not for a label with so many classes (0: a score)."""
        if self.of_classes != bool(classes):
            kind = "has classes: use CrossEntropy" if classes else "is a score: use Huber or Squared"
            raise ConfigError(f"{field}: {type(self).__name__} does not fit a label that {kind}")

    @abstractmethod
    def outputs(self, classes: int) -> int:
        """The number of logits for a label with so many classes (0: a score)."""

    @abstractmethod
    def of_examples(
        self,
        logits: Float[Array, "*batch outputs"],
        target: Num[Array, "*batch"],
        class_weights: Float[Array, " classes"],
    ) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
        """Each example's loss and weight, finite for finite logits; without a target (class -1, score NaN) it weighs 0.

        The engine takes the mean by these weights. A class's weight multiplies its examples and the mean divides by the
        sum of weights, as PyTorch's `CrossEntropyLoss(weight=...)` does.
        """

    @abstractmethod
    def decision(self, logits: Float[Array, "*batch outputs"]) -> Float[Array, "*batch decided"]:
        """The probabilities of the classes, or the score as [*batch, 1]."""


@dataclasses.dataclass
class ClassLoss(Loss):
    """Base of the losses of a label with classes; `decision` is the softmax unless a subclass says otherwise."""

    of_classes = True

    @abstractmethod
    def of_known(
        self,
        logits: Float[Array, "*batch outputs"],
        target: Int[Array, "*batch"],
        class_weights: Float[Array, " classes"],
    ) -> Float[Array, "*batch"]:
        """Each example's loss before it is multiplied by the weight of its class; every target is known."""

    def outputs(self, classes: int) -> int:
        return classes

    def of_examples(self, logits: Array, target: Array, class_weights: Array) -> tuple[Array, Array]:
        known = target >= 0
        index = jnp.where(known, target, 0)
        return self.of_known(logits, index, class_weights), class_weights[index] * known

    def decision(self, logits: Array) -> Array:
        return jax.nn.softmax(logits)


@dataclasses.dataclass
class CrossEntropy(ClassLoss):
    """The softmax cross entropy.

    Attributes:
        label_smoothing: the share of the target that is spread evenly over all classes (Szegedy et al. 2016), also in the
            validation loss. Each class's share counts with that class's weight, as in PyTorch's `CrossEntropyLoss`.
    """

    label_smoothing: float = 0.0

    def check(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise ConfigError(f"label_smoothing: a share from 0 to below 1, found {self.label_smoothing}")

    def of_known(self, logits: Array, target: Array, class_weights: Array) -> Array:
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, target)
        if not self.label_smoothing:
            return loss
        # The engine multiplies by the weight of the target's class, which is therefore divided out.
        of_classes = class_weights.reshape((1,) * (logits.ndim - 1) + (-1,))
        spread = -(jax.nn.log_softmax(logits) * of_classes).mean(-1) / class_weights[target]
        return (1 - self.label_smoothing) * loss + self.label_smoothing * spread


@dataclasses.dataclass
class BinaryCrossEntropy(ClassLoss):
    """The cross entropy of two classes by one logit, that of the second one; PyTorch's `BCEWithLogitsLoss`."""

    def check_label(self, field: str, classes: int) -> None:
        super().check_label(field, classes)
        if classes != 2:
            raise ConfigError(
                f"{field}: BinaryCrossEntropy is for two classes, the label has {classes}; use CrossEntropy"
            )

    def outputs(self, classes: int) -> int:
        return 1

    def of_known(self, logits: Array, target: Array, class_weights: Array) -> Array:
        return optax.sigmoid_binary_cross_entropy(logits[..., 0], target)

    def decision(self, logits: Array) -> Array:
        return jax.nn.sigmoid(jnp.concatenate([-logits, logits], axis=-1))


@dataclasses.dataclass
class ScoreLoss(Loss):
    """Base of the losses of a score, functions of the error.

    Attributes:
        center: added to what the model says: the middle of the scale, so that learning need not find it.
    """

    of_classes = False

    center: float = dataclasses.field(default=0.0, kw_only=True)

    def check(self) -> None:
        if not math.isfinite(self.center):
            raise ConfigError(f"center: a number, found {self.center}")

    @abstractmethod
    def of_error(self, error: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
        """Each example's loss by its prediction less its target."""

    def outputs(self, classes: int) -> int:
        return 1

    def of_examples(self, logits: Array, target: Array, class_weights: Array) -> tuple[Array, Array]:
        known: Bool[Array, "*batch"] = jnp.isfinite(target)
        loss = self.of_error(self.decision(logits)[..., 0] - jnp.where(known, target, 0.0))
        return loss, known.astype(loss.dtype)

    def decision(self, logits: Array) -> Array:
        return logits + self.center


@dataclasses.dataclass
class Huber(ScoreLoss):
    """Half the squared error, linear beyond `delta` (Huber 1964); PyTorch's `HuberLoss`."""

    delta: float = 1.0

    def check(self) -> None:
        super().check()
        if not 0 < self.delta < math.inf:
            raise ConfigError(f"delta: a number above 0, found {self.delta}")

    def of_error(self, error: Array) -> Array:
        size = jnp.abs(error)
        return jnp.where(size <= self.delta, 0.5 * error**2, self.delta * (size - 0.5 * self.delta))


@dataclasses.dataclass
class Squared(ScoreLoss):
    """The squared error; PyTorch's `MSELoss`."""

    def of_error(self, error: Array) -> Array:
        return error**2
