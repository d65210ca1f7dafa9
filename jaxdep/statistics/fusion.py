"""Decision-level fusion of one seed: confidences are calibrated, then the members' probabilities become one decision.

Numpy, on the host: a seed has some dozens of decisions. M members, U recordings, C classes; a member that has no
decision for a recording holds NaN there, and the others decide.
"""

from typing import Literal, NamedTuple

import numpy as np
import scipy.optimize
import scipy.special
from jaxtyping import Bool, Float, Int
from sklearn.linear_model import LogisticRegression

from input_pipeline.errors import DataError

Rule = Literal["mean", "product", "max", "weighted", "stacked", "vote"]

_SMALLEST = np.finfo(np.float64).tiny
_TEMPERATURES = (0.05, 20.0)  # bounds of the search: beyond them a member is sure of everything or of nothing


class Validation(NamedTuple):
    """What a fusion is fitted to: decisions on the validation split, the right classes, and each member's score."""

    probabilities: Float[np.ndarray, "M U C"]
    target: Int[np.ndarray, " U"]
    scores: Float[np.ndarray, " M"]


def temperature(probabilities: Float[np.ndarray, "U C"], target: Int[np.ndarray, " U"]) -> float:
    """The divisor of the log-probabilities that makes the targets likeliest (Guo et al. 2017, section 4.2).

    It is sought between 0.05 and 20. Recordings without a decision are left out; without any, it is 1.
    """
    here = _present(probabilities)
    if not here.any():
        return 1.0
    logits, rows = _logs(probabilities[here]), np.arange(here.sum())

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        return float(np.mean(scipy.special.logsumexp(scaled, axis=1) - scaled[rows, target[here]]))

    return float(np.exp(scipy.optimize.minimize_scalar(loss, bounds=np.log(_TEMPERATURES), method="bounded").x))


def calibrated(probabilities: Float[np.ndarray, "... C"], temperature: float) -> Float[np.ndarray, "... C"]:
    """The probabilities at that temperature: the decision stays, its confidence changes."""
    return scipy.special.softmax(_logs(probabilities) / temperature, axis=-1)


def combine(
    rule: Rule,
    probabilities: Float[np.ndarray, "M U C"],
    validation: Validation,
    *,
    balanced: bool = True,
) -> Float[np.ndarray, "U C"]:
    """One decision a recording; NaN where no member has one.

    `product` is Bayes' rule for members that are independent given the class, if each was trained with balanced classes
    (else their common prior counts more than once). `weighted` and `stacked` are fitted to the validation split, the
    latter anew for each set of members that is there. `vote` gives the shares of the votes, among which the members'
    mean probability is one vote more: it decides between classes with equally many votes, and can turn no majority.

    Args:
        balanced: whether the stacked regression weighs the classes inversely to their count.

    Raises:
        DataError: the validation split has too few decisions for the stacked regression.
    """
    if rule == "stacked":
        return _stacked(probabilities, validation, balanced)
    there = _present(probabilities)  # [M, U]
    if rule == "product":
        logs = np.where(there[..., None], _logs(probabilities), 0.0).sum(0)
        return np.where(np.any(there, axis=0)[:, None], scipy.special.softmax(logs, axis=1), np.nan)
    if rule == "vote":
        votes = np.where(there[..., None], decided(probabilities), 0.0).sum(0)
        mean = np.where(there[..., None], probabilities, 0.0).sum(0) / np.maximum(there.sum(0), 1)[:, None]
        found = votes + mean
    elif rule == "max":
        found = np.where(there[..., None], probabilities, 0.0).max(0)
    else:
        weights = there * (validation.scores[:, None] if rule == "weighted" else 1.0)
        weights = np.where(weights.any(0), weights, there)  # members that all score 0 count alike
        found = np.einsum("mu,muc->uc", weights, np.where(there[..., None], probabilities, 0.0))
    total = found.sum(1, keepdims=True)
    return np.divide(found, total, out=np.full_like(found, np.nan), where=total > 0)


def decided(probabilities: Float[np.ndarray, "... C"]) -> Float[np.ndarray, "... C"]:
    """1 for the likeliest class, 0 for the others; of two equally likely classes the second, as in metrics."""
    binary = probabilities.shape[-1] == 2
    chosen = (probabilities[..., 1] >= probabilities[..., 0]).astype(int) if binary else probabilities.argmax(-1)
    return np.asarray(np.eye(probabilities.shape[-1])[chosen])


def _stacked(probabilities: np.ndarray, validation: Validation, balanced: bool) -> Float[np.ndarray, "U C"]:
    there, known = _present(probabilities), _present(validation.probabilities)
    found = np.full(probabilities.shape[1:], np.nan)
    for pattern in np.unique(there.T, axis=0):
        rows, fitted_to = (there == pattern[:, None]).all(0), known[pattern].all(0)
        if not pattern.any():
            continue
        if np.unique(validation.target[fitted_to]).size < 2:
            raise DataError(
                f"rule 'stacked': {fitted_to.sum()} validation decisions of one class are nothing to fit a regression "
                "to; take another rule, or a larger validation split"
            )
        model = LogisticRegression(class_weight="balanced" if balanced else None)
        model.fit(_log_odds(validation.probabilities[pattern][:, fitted_to]), validation.target[fitted_to])
        found[rows] = 0.0
        found[np.ix_(rows, model.classes_)] = model.predict_proba(_log_odds(probabilities[pattern][:, rows]))
    return found


def _log_odds(probabilities: Float[np.ndarray, "M U C"]) -> Float[np.ndarray, "U features"]:
    """Of each member the log-probabilities against the first class's."""
    logs = _logs(probabilities)
    return np.moveaxis(logs[..., 1:] - logs[..., :1], 0, 1).reshape(logs.shape[1], -1)


def _logs(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(probabilities, _SMALLEST))


def _present(probabilities: Float[np.ndarray, "... C"]) -> Bool[np.ndarray, "..."]:
    return np.asarray(np.isfinite(probabilities).all(-1))
