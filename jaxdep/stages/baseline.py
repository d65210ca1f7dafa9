"""References without seeds: trivial classifiers, and an SVM and a logistic regression on statistics of the features."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.special import expit
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from input_pipeline.batching import Examples, vectors_of
from input_pipeline.config import ConfigError
from jaxdep.config import BaselineStage
from jaxdep.engine.resident import Viewer
from jaxdep.stages import PREDICTION_COLUMNS, StageRun
from jaxdep.stages.visual_words import VisualWords

SEED = 0  # of the drawn validation split where the config asks for one; nothing else here is random


def run(config: BaselineStage, stage: StageRun) -> None:
    """Fits the baseline to the training split and writes predictions.csv under seed 0.

    Raises:
        DataError: the splits cannot be made, or the baseline needs what the corpus does not tell, or more than it has.
    """
    examples, task = stage.examples, config.task
    viewer = Viewer(examples, config.tasks, config.data.splits, config.data.unnormalized)
    inputs = _inputs(config, examples)
    counted = {name: VisualWords(examples, name, count, SEED) for name, count in config.visual_words.items()}
    labels = examples.labels[task][examples.first_rows]
    known = labels >= 0 if task in examples.classes else np.isfinite(labels)
    tables = [pd.DataFrame(columns=PREDICTION_COLUMNS)]
    for fold in range(viewer.folds):
        units = viewer.view(SEED, fold).units
        train = units["train"].groups[known[units["train"].groups]]
        seen = np.concatenate([inputs, *(words.shares(train) for words in counted.values())], axis=1)
        model = _MODELS[config.kind]().fit(seen[train], labels[train])
        for part in [part for part in ("validation", "test") if part in units]:
            groups = units[part].groups
            values = _values(model, seen[groups], len(examples.classes.get(task, ())))
            tables.append(stage.predictions(task, part, SEED, groups, values))
    stage.write_csv("predictions.csv", pd.concat(tables, ignore_index=True))
    stage.remember(diverged=[])


_MODELS: dict[str, Callable[[], Any]] = {
    "majority": partial(DummyClassifier, strategy="most_frequent"),
    "all_positive": partial(DummyClassifier, strategy="constant", constant=1),
    "median": partial(DummyRegressor, strategy="median"),  # no constant has a smaller mean absolute error
    # The class that is the likelier one given the gender, both classes counted as equally frequent.
    "gender": partial(DecisionTreeClassifier, max_depth=1, class_weight="balanced", random_state=SEED),
    # The library's defaults, radial basis and C = 1, with the classes weighed as the networks' are.
    "svm": lambda: make_pipeline(StandardScaler(), SVC(class_weight="balanced")),
    "logistic": partial(LogisticRegression, class_weight="balanced", max_iter=1000),
}


def _values(model: Any, seen: Float[np.ndarray, "U D"], classes: int) -> Float[np.ndarray, "U outputs"]:
    """What `StageRun.predictions` takes: of two classes as sure as the model says, so that a threshold may lie elsewhere.

    The distance from an SVM's border is no probability: it is squashed to one, which keeps the order and the decisions.
    """
    if classes == 2 and hasattr(model, "decision_function"):  # of a logistic regression the log odds
        positive = expit(model.decision_function(seen))
        return np.stack([1 - positive, positive], axis=1)
    chosen = model.predict(seen)
    return np.eye(classes)[chosen] if classes else chosen[:, None]


def _inputs(config: BaselineStage, examples: Examples) -> Float[np.ndarray, "G D"]:
    """What the classifier sees of each decision unit, beside visual words."""
    if not config.is_trivial:
        pooled = [name for name in examples.buckets[0].features if name not in config.visual_words]
        both = config.kind == "svm" and config.deviation
        found = [part for name in pooled for part in _mean_and_deviation(examples, name)[: 1 + both]]
        return np.concatenate([np.zeros((len(examples.group_ids), 0)), *found], axis=1)
    if config.kind == "gender":
        genders = examples.metadata["gender"][examples.first_rows]
        return (genders == np.unique(genders)[0]).astype(np.float64)[:, None]
    return np.zeros((len(examples.group_ids), 1))


def _mean_and_deviation(examples: Examples, feature: str) -> tuple[Float[np.ndarray, "G D"], Float[np.ndarray, "G D"]]:
    """Mean and standard deviation of a feature over all vectors, or pixels, of each decision unit; 0 where it lacks."""
    example = examples.buckets[0].features[feature].values
    if example.dtype.kind == "i":
        raise ConfigError(
            f"data.features.{feature}: its values are indices, which have no mean; encode them as one_hot"
        )
    dim = example.shape[-1]
    count = np.zeros((len(examples.group_ids), 1))
    total, squares = (np.zeros((len(examples.group_ids), dim)) for _ in range(2))
    for bucket in examples.buckets:
        for row, values, mask in zip(bucket.rows, *bucket.features[feature], strict=True):
            vectors, group = vectors_of(values, mask), examples.groups[row]
            count[group] += len(vectors)
            total[group] += vectors.sum(0)
            squares[group] += (vectors**2).sum(0)
    count = np.maximum(count, 1)
    mean = total / count
    return mean, np.sqrt(np.maximum(squares / count - mean**2, 0))
