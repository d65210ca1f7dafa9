"""Metrics of classification and regression, for one seed ([N]) or for many at once ([S, N]), with weights.

Every function broadcasts over the axes before N, so targets [N] meet predictions [S, N], and may be used inside
`jax.jit` and `jax.vmap`. An example of weight 0 is ignored whatever it holds, which is how padding and seeds with
different examples are told apart from data. Counts come from one place, `confusion`; all other metrics of
classification but those of probabilities are functions of it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Num

COUNTS = ("tn", "fp", "fn", "tp")
LOWER_IS_BETTER = frozenset({"mae", "rmse", "rmse_one_hot", "log_loss", "ece", "fp", "fn"})
CONFIDENCE_BINS = 10

Weight = Num[Array, "*#batch N"] | None


def classification(
    target: Int[Array, "*#batch N"],
    output: Int[Array, "*#batch N"] | Float[Array, "*#batch N C"],
    n_classes: int,
    weight: Weight = None,
    positive: int | None = 1,
    classes: Sequence[str] = (),
) -> dict[str, Float[Array, "*batch"]]:
    """All metrics of a classification task by name.

    Args:
        target: class indices; an index outside 0 .. n_classes - 1 is not counted.
        output: predicted class indices (an integer array), or class probabilities (a float array with one more axis).
        positive: the class that a binary task looks for; None where neither is, and of no effect for more classes.
        classes: the classes' names; with them come the metrics of each class.

    Returns:
        accuracy, unweighted_accuracy and balanced_accuracy (the same number under both of its names in use);
        precision_, recall_ and f1_macro (mean over all classes of the task), precision_ and f1_micro, f1_weighted (by
        support), mcc;
        in a binary task precision, recall and f1 of the positive class and tn, fp, fn, tp;
        from probabilities rmse_one_hot, pearson_one_hot, log_loss, ece, and in a binary task roc_auc;
        with names precision_of_<class>, recall_of_<class> and f1_of_<class>.
        Bi-LSTM-CNN (section IV.C) prints formulas of precision for WA and UA: they are precision_micro, which equals
        the accuracy, and precision_macro, where the field's UA is the mean recall.
    """
    has_probabilities = jnp.issubdtype(output.dtype, jnp.floating)
    prediction = predicted_class(output) if has_probabilities else output
    found = of_confusion(confusion(target, prediction, n_classes, weight), positive, classes)
    return found | (of_probabilities(target, output, weight, positive) if has_probabilities else {})


def of_confusion(
    counts: Float[Array, "*batch C C"], positive: int | None = 1, classes: Sequence[str] = ()
) -> dict[str, Float[Array, "*batch"]]:
    """The metrics that are functions of the confusion counts: see `classification`."""
    found = _of_counts(counts) | {
        f"{name}_of_{label}": metric(counts)[..., index]
        for index, label in enumerate(classes)
        for name, metric in (("precision", precision), ("recall", recall), ("f1", f1))
    }
    return found | (_of_positive(counts, positive) if counts.shape[-1] == 2 and positive is not None else {})


def of_probabilities(
    target: Int[Array, "*#batch N"],
    probabilities: Float[Array, "*#batch N C"],
    weight: Weight = None,
    positive: int | None = 1,
) -> dict[str, Float[Array, "*batch"]]:
    """The metrics that need more than decisions: see `classification`; roc_auc is that of the positive of two classes."""
    found = {
        "rmse_one_hot": rmse_one_hot(target, probabilities, weight),
        "pearson_one_hot": pearson_one_hot(target, probabilities, weight),
        "log_loss": log_loss(target, probabilities, weight),
        "ece": expected_calibration_error(confidence_bins(target, probabilities, weight)),
    }
    if probabilities.shape[-1] == 2 and positive is not None:
        found["roc_auc"] = roc_auc(target == positive, probabilities[..., positive], weight)
    return found


def regression(
    target: Num[Array, "*#batch N"], prediction: Num[Array, "*#batch N"], weight: Weight = None
) -> dict[str, Float[Array, "*batch"]]:
    """mae, rmse, pearson and ccc by name."""
    return {metric.__name__: metric(target, prediction, weight) for metric in (mae, rmse, pearson, ccc)}


def names(classes: Sequence[str]) -> list[str]:
    """The names of the metrics that a task with these classes has, or, without classes, a score.

    Classes that all are numbers, the levels of a score, have the metrics of both.
    """
    scores = list(jax.eval_shape(regression, jnp.zeros(2), jnp.zeros(2)))
    if not classes:
        return scores
    probabilities = jnp.zeros((2, len(classes)))
    found = jax.eval_shape(lambda p: classification(jnp.zeros(2, int), p, len(classes), classes=classes), probabilities)
    return [*found, *(scores if levels(classes) is not None else ())]


def levels(classes: Sequence[str]) -> Float[Array, " C"] | None:
    """What the classes stand for where every one is a number (the levels of a score), else None."""
    try:
        return jnp.asarray([float(label) for label in classes])
    except ValueError:
        return None


def predicted_class(probabilities: Float[Array, "*batch N C"]) -> Int[Array, "*batch N"]:
    """The class of the highest probability: the first of equal ones, but in a binary task class 1 from p >= 0.5 on."""
    if probabilities.shape[-1] == 2:
        return (probabilities[..., 1] >= probabilities[..., 0]).astype(jnp.int32)
    return jnp.argmax(probabilities, axis=-1)


def confusion(
    target: Int[Array, "*#batch N"], prediction: Int[Array, "*#batch N"], n_classes: int, weight: Weight = None
) -> Float[Array, "*batch C C"]:
    """Summed weights by target (rows) and prediction (columns).

    An example whose target or prediction is no index of a class (-1, say) is not counted.
    """
    target, prediction, weight = _aligned(target, prediction, weight)
    rows = jax.nn.one_hot(target, n_classes, dtype=weight.dtype) * weight[..., None]
    columns = jax.nn.one_hot(prediction, n_classes, dtype=weight.dtype)
    return jnp.einsum("...nt,...np->...tp", rows, columns, precision=jax.lax.Precision.HIGHEST)


def accuracy(counts: Float[Array, "*batch C C"]) -> Float[Array, "*batch"]:
    """The share of examples that are right ("weighted accuracy", WA). NaN without examples."""
    return jnp.trace(counts, axis1=-2, axis2=-1) / counts.sum((-2, -1))


def unweighted_accuracy(counts: Float[Array, "*batch C C"]) -> Float[Array, "*batch"]:
    """The mean recall (UA) of the classes that occur in the target, like scikit-learn's `balanced_accuracy_score`.

    NaN without examples.
    """
    return recall(counts).sum(-1) / (counts.sum(-1) > 0).sum(-1)


def precision(counts: Float[Array, "*batch C C"]) -> Float[Array, "*batch C"]:
    """Right predictions of each class by predictions of it; 0 for a class that is never predicted."""
    return _ratio(_diagonal(counts), counts.sum(-2))


def recall(counts: Float[Array, "*batch C C"]) -> Float[Array, "*batch C"]:
    """Right predictions of each class by its examples; 0 for a class without examples."""
    return _ratio(_diagonal(counts), counts.sum(-1))


def f1(counts: Float[Array, "*batch C C"]) -> Float[Array, "*batch C"]:
    """The harmonic mean of each class's precision and recall; 0 for a class neither in the target nor predicted."""
    return _ratio(2 * _diagonal(counts), counts.sum(-1) + counts.sum(-2))


def f1_weighted(counts: Float[Array, "*batch C C"]) -> Float[Array, "*batch"]:
    """The mean F1 of the classes weighted by their examples. NaN without examples."""
    return (f1(counts) * counts.sum(-1)).sum(-1) / counts.sum((-2, -1))


def mcc(counts: Float[Array, "*batch C C"]) -> Float[Array, "*batch"]:
    """Matthews' correlation coefficient; of two classes Pearson's of the decisions as 0 and 1 with the target.

    0 where all targets or all decisions are of one class, where it is not defined, as in scikit-learn; so it is without
    examples.
    """
    total, targets, predictions = counts.sum((-2, -1)), counts.sum(-1), counts.sum(-2)
    right = jnp.trace(counts, axis1=-2, axis2=-1)
    spreads = [jnp.square(total) - jnp.square(sums).sum(-1) for sums in (targets, predictions)]
    return _ratio(right * total - (targets * predictions).sum(-1), jnp.sqrt(spreads[0]) * jnp.sqrt(spreads[1]))


def roc_auc(
    target: Num[Array, "*#batch N"], score: Float[Array, "*#batch N"], weight: Weight = None
) -> Float[Array, "*batch"]:
    """The probability that a positive (target 1) scores above a negative (target 0), equal scores counted half.

    NaN where one of the two has no examples.
    """
    target, score, weight = _aligned(target, score, weight)
    return _roc_auc(target.astype(weight.dtype), jnp.where(weight > 0, score, 0), weight)


def rmse_one_hot(
    target: Int[Array, "*#batch N"], probabilities: Float[Array, "*#batch N C"], weight: Weight = None
) -> Float[Array, "*batch"]:
    """Root mean square, over examples and classes, of the probabilities' distance to the one-hot target.

    It is what EmoAudioNet (section IV) prints as RMSE: there a uniform guess of 24 classes scores 0.1998.
    NaN without examples.
    """
    target, probabilities = _of_one_shape(target, probabilities)
    distance = jax.nn.one_hot(target, probabilities.shape[-1]) - probabilities
    squared, _, weight = _aligned(jnp.square(distance).mean(-1), target, weight)
    return jnp.sqrt(_mean(squared, weight))


def pearson_one_hot(
    target: Int[Array, "*#batch N"], probabilities: Float[Array, "*#batch N C"], weight: Weight = None
) -> Float[Array, "*batch"]:
    """Pearson's correlation coefficient, over examples and classes, of the probabilities with the one-hot target.

    What EmoAudioNet (section IV) prints as CC fits this: of hard decisions it is (C accuracy - 1) / (C - 1).
    0 where every probability is the same, NaN without examples.
    """
    target, probabilities = _of_one_shape(target, probabilities)
    weight = jnp.ones(()) if weight is None else jnp.asarray(weight)
    shape = (*jnp.broadcast_shapes(target.shape, weight.shape), probabilities.shape[-1])
    one_hot = jax.nn.one_hot(target, probabilities.shape[-1])
    flat = [jnp.broadcast_to(x, shape).reshape(*shape[:-2], -1) for x in (one_hot, probabilities, weight[..., None])]
    return pearson(*flat)


def log_loss(
    target: Int[Array, "*#batch N"], probabilities: Float[Array, "*#batch N C"], weight: Weight = None
) -> Float[Array, "*batch"]:
    """The mean negative logarithm of the target's probability, which counts as at least the smallest normal number.

    NaN without examples.
    """
    target, probabilities = _of_one_shape(target, probabilities)
    right = jax.nn.one_hot(target, probabilities.shape[-1]) * probabilities
    loss, _, weight = _aligned(-jnp.log(jnp.maximum(right.sum(-1), jnp.finfo(right.dtype).tiny)), target, weight)
    return _mean(loss, weight)


class ConfidenceBins(NamedTuple):
    """Of the decisions in each bin of confidence, equally wide from 0 to 1, sums by weight.

    Attributes:
        weight: of all decisions; right: of those that are right.
        confidence: of the probabilities of the classes that were chosen, times their weights.
    """

    weight: Float[Array, "*batch bins"]
    right: Float[Array, "*batch bins"]
    confidence: Float[Array, "*batch bins"]


def confidence_bins(
    target: Int[Array, "*#batch N"], probabilities: Float[Array, "*#batch N C"], weight: Weight = None
) -> ConfidenceBins:
    """The decisions by how sure they are: a bin holds confidences up to and including its upper edge."""
    target, probabilities = _of_one_shape(target, probabilities)
    confidence = probabilities.max(-1)
    right, confidence, weight = _aligned(
        (predicted_class(probabilities) == target).astype(confidence.dtype), confidence, weight
    )
    index = jnp.clip(jnp.ceil(confidence * CONFIDENCE_BINS) - 1, 0, CONFIDENCE_BINS - 1).astype(int)
    one_hot = jax.nn.one_hot(index, CONFIDENCE_BINS, dtype=weight.dtype) * weight[..., None]
    return ConfidenceBins(one_hot.sum(-2), *((one_hot * x[..., None]).sum(-2) for x in (right, confidence)))


def expected_calibration_error(bins: ConfidenceBins) -> Float[Array, "*batch"]:
    """How far accuracy and confidence lie apart, mean over the decisions' bins (Guo et al. 2017, eq. 3).

    NaN without examples.
    """
    return jnp.abs(bins.right - bins.confidence).sum(-1) / bins.weight.sum(-1)


def mae(
    target: Num[Array, "*#batch N"], prediction: Num[Array, "*#batch N"], weight: Weight = None
) -> Float[Array, "*batch"]:
    """The mean absolute error. NaN without examples."""
    target, prediction, weight = _aligned(target, prediction, weight)
    return _mean(jnp.abs(target - prediction), weight)


def rmse(
    target: Num[Array, "*#batch N"], prediction: Num[Array, "*#batch N"], weight: Weight = None
) -> Float[Array, "*batch"]:
    """The root mean squared error. NaN without examples."""
    target, prediction, weight = _aligned(target, prediction, weight)
    return jnp.sqrt(_mean(jnp.square(target - prediction), weight))


def pearson(
    target: Num[Array, "*#batch N"], prediction: Num[Array, "*#batch N"], weight: Weight = None
) -> Float[Array, "*batch"]:
    """Pearson's correlation coefficient.

    0 where the target or the prediction is constant, where it is not defined: a model that predicts one value has found
    no association, and a NaN would hide the other seeds. NaN without examples.
    """
    moments = _moments(*_aligned(target, prediction, weight))
    return jnp.where(moments["constant"], 0, moments["covariance"] / moments["deviations"])


def ccc(
    target: Num[Array, "*#batch N"], prediction: Num[Array, "*#batch N"], weight: Weight = None
) -> Float[Array, "*batch"]:
    """Lin's concordance correlation coefficient, 2 cov / (var + var + (difference of the means)^2), moments by 1/N.

    0 where the target or the prediction is constant, also where both are and agree (there 0/0). NaN without examples.
    """
    moments = _moments(*_aligned(target, prediction, weight))
    return jnp.where(moments["constant"], 0, 2 * moments["covariance"] / moments["concordance"])


def _of_counts(counts: Float[Array, "*batch C C"]) -> dict[str, Float[Array, "*batch"]]:
    return {
        "accuracy": accuracy(counts),
        "unweighted_accuracy": unweighted_accuracy(counts),
        "balanced_accuracy": unweighted_accuracy(counts),
        "precision_micro": accuracy(counts),  # all predictions' TP / (TP + FP): every wrong one is some class's FP
        "precision_macro": precision(counts).mean(-1),
        "recall_macro": recall(counts).mean(-1),
        "f1_macro": f1(counts).mean(-1),
        "f1_micro": accuracy(counts),  # every example has one target and one prediction: they are the same
        "f1_weighted": f1_weighted(counts),
        "mcc": mcc(counts),
    }


def _of_positive(counts: Float[Array, "*batch 2 2"], positive: int) -> dict[str, Float[Array, "*batch"]]:
    negative = 1 - positive
    return {
        "precision": precision(counts)[..., positive],
        "recall": recall(counts)[..., positive],
        "f1": f1(counts)[..., positive],
        "tn": counts[..., negative, negative],
        "fp": counts[..., negative, positive],
        "fn": counts[..., positive, negative],
        "tp": counts[..., positive, positive],
    }


def _of_one_shape(target: Array, probabilities: Array) -> tuple[Array, Array]:
    """The two broadcast over the axes before the classes."""
    shape = jnp.broadcast_shapes(target.shape, probabilities.shape[:-1])
    return jnp.broadcast_to(target, shape), jnp.broadcast_to(probabilities, (*shape, probabilities.shape[-1]))


def _aligned(left: Array, right: Array, weight: Array | None) -> tuple[Array, Array, Array]:
    """The three broadcast to one shape, the weight as float; what has no weight reads 0 (it may hold NaN)."""
    weight = jnp.ones(()) if weight is None else jnp.asarray(weight, jnp.result_type(float))
    left, right, weight = jnp.broadcast_arrays(left, right, weight)
    return jnp.where(weight > 0, left, 0), jnp.where(weight > 0, right, 0), weight


def _mean(values: Array, weight: Array) -> Array:
    return (values * weight).sum(-1) / weight.sum(-1)


def _moments(target: Array, prediction: Array, weight: Array) -> dict[str, Array]:
    """Weighted moments about the mean in two passes, which keeps them right for values far from zero."""
    means = [_mean(values, weight) for values in (target, prediction)]
    x, y = target - means[0][..., None], prediction - means[1][..., None]
    variances = [_mean(jnp.square(centred), weight) for centred in (x, y)]
    return {
        "covariance": _mean(x * y, weight),
        "deviations": jnp.sqrt(variances[0]) * jnp.sqrt(variances[1]),
        "concordance": variances[0] + variances[1] + jnp.square(means[0] - means[1]),
        "constant": (_spread(target, weight) == 0) | (_spread(prediction, weight) == 0),
    }


def _spread(values: Array, weight: Array) -> Array:
    """Highest less lowest value of those with weight, exactly 0 for constant ones; -inf without examples."""
    highest = jnp.where(weight > 0, values, -jnp.inf).max(-1)
    return highest - jnp.where(weight > 0, values, jnp.inf).min(-1)


def _diagonal(counts: Array) -> Array:
    return jnp.diagonal(counts, axis1=-2, axis2=-1)


def _ratio(part: Array, whole: Array) -> Array:
    return jnp.where(whole > 0, part / jnp.where(whole > 0, whole, 1), 0)


def _roc_auc_of_one(target: Float[Array, " N"], score: Float[Array, " N"], weight: Float[Array, " N"]) -> Array:
    order = jnp.argsort(score)
    negatives = jnp.concatenate([jnp.zeros(1, weight.dtype), jnp.cumsum((weight * (1 - target))[order])])
    below = negatives[jnp.searchsorted(score[order], score, side="left")]
    up_to = negatives[jnp.searchsorted(score[order], score, side="right")]
    positives = weight * target
    return (positives * (below + up_to) / 2).sum() / (positives.sum() * negatives[-1])


_roc_auc = jnp.vectorize(_roc_auc_of_one, signature="(n),(n),(n)->()")
