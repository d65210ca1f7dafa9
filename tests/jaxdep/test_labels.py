"""What a corpus cannot give is told of every kind of stage from its declared labels, before anything is computed."""

import dataclasses

import pytest

from input_pipeline.batching import Arrangement
from input_pipeline.config import ConfigError
from input_pipeline.features import LogMel
from jaxdep import config
from jaxdep.config import Published
from jaxdep.config.labels import Labels
from jaxdep.losses import BinaryCrossEntropy, Huber
from jaxdep.models.emotion_transfer import DirectAudio, DirectText
from jaxdep.statistics import metrics

LABELS = Labels(
    "a_corpus",
    classes={
        "depressed": ("no", "yes"),
        "gone": ("no", "yes"),
        "mood": ("sad", "glad", "calm"),
        "level": ("0", "1", "2"),
    },
    scores=("phq8", "valence"),
    metrics=metrics.names,
)
DATA = config.Data(features={"text": LogMel()}, arrangements={"text": Arrangement()})
ALL_TRAIN = dataclasses.replace(DATA, splits=config.Splits(validation=()))
SCORE, CLASSES = config.Task(loss=Huber()), config.Task()
BOTH = {"depressed": CLASSES, "valence": SCORE}


def train(**options):
    given = {"data": DATA, "tasks": {"depressed": CLASSES}, "metrics": ("f1",), "model": DirectText()} | options
    return config.TrainStage(**given)


def baseline(kind, label, task=CLASSES, metric="accuracy"):
    return config.BaselineStage(kind=kind, data=DATA, tasks={label: task}, metrics=(metric,))


def fuse(label="mood", task=CLASSES, metric="accuracy", **options):
    return config.FuseStage(members=("a",), data=DATA, tasks={label: task}, metrics=(metric,), **options)


def further(**options):
    row = {"label": "x", "against": "gone", "task": "depressed", "metrics": ("f1",)} | options
    return train(tasks=BOTH, further=(config.Further(**row),))


def case(**options):
    return config.CaseStudyStage(data=DATA, of=("a", "b"), **options)


WRONG = {
    "no label": (train(tasks={"depresed": CLASSES}), "tasks: a_corpus has no label 'depresed'; there are depressed, "),
    "no further label": (train(tasks=BOTH | {"x": SCORE}), "tasks: a_corpus has no label 'x'; there are"),
    "loss of a score": (
        train(tasks={"depressed": SCORE}),
        "tasks.depressed.loss: Huber does not fit a label that has",
    ),
    "loss of classes": (
        train(tasks={"phq8": CLASSES}),
        "tasks.phq8.loss: CrossEntropy does not fit a label that is a",
    ),
    "loss of two classes": (
        train(tasks={"mood": config.Task(loss=BinaryCrossEntropy())}),
        "tasks.mood.loss: BinaryCrossEntropy is for two classes, the label has 3; use CrossEntropy",
    ),
    "metric": (train(metrics=("f2",)), "metrics: no metric 'f2' for 'depressed'; did you mean"),
    "metric of two classes": (fuse(metric="f1"), "metrics: no metric 'f1' for 'mood'; did you mean"),
    "published": (
        train(published=(Published("f2", avg=0.5),)),
        "published: no metric 'f2' for 'depressed'; did you mean",
    ),
    "monitor": (
        train(training=config.Training(monitor="f2")),
        "training.monitor: no metric is called 'f2'; did you mean",
    ),
    "monitor of a task": (
        train(tasks=BOTH, training=config.Training(monitor="valence_f1")),
        "training.monitor: no metric is called 'valence_f1'; did you mean",
    ),
    "monitor without validation": (
        train(data=ALL_TRAIN, training=config.Training(monitor="f1")),
        "training.monitor: 'f1' needs a validation split; there is none",
    ),
    "feature": (train(model=DirectText(feature="video")), "model: it takes the feature 'video', the data has text"),
    "layout": (
        train(model=DirectAudio(feature="text")),
        "data.arrangements.text.level: examples are laid out as 'sequence', the model takes 'sequences'",
    ),
    "against": (further(against="mood"), "further[0].against: a_corpus has no label 'mood' with as many classes as"),
    "against nothing": (further(against="x"), "further[0].against: a_corpus has no label 'x' with as many classes"),
    "further metric": (further(metrics=("mae",)), "further[0].metrics: no metric 'mae' for 'gone'; did you mean"),
    "further published": (
        further(published=(Published("mae", avg=1.0),)),
        "further[0].published: no metric 'mae' for 'gone'; did you mean",
    ),
    "all positive": (
        baseline("all_positive", "mood"),
        "kind: all_positive needs two classes, 'mood' has sad, glad, calm",
    ),
    "baseline": (baseline("majority", "phq8"), "tasks.phq8.loss: CrossEntropy does not fit a label that is a score"),
    "fused score": (fuse("phq8", SCORE, "mae"), "tasks.phq8: fusion needs probabilities of classes, this is a score"),
    "weight": (fuse(rule="weighted", weight_by="f1"), "weight_by: no metric 'f1' for 'mood'; did you mean"),
    "group by a score": (
        config.ProfileStage(data=DATA, group_by="phq8"),
        "group_by: a_corpus has no label with classes 'phq8'; there are depressed, gone, mood, level; did you mean",
    ),
    "cases of a score": (
        config.CasesStage(data=DATA, task="phq8"),
        "task: a_corpus has no label with classes 'phq8'; there are depressed, gone, mood, level; did you mean",
    ),
    "group": (case(group="ill"), "group: 'ill' is no class of 'depressed'; there are no, yes"),
}
RIGHT = {
    "training": train(published=(Published("accuracy", avg=0.5),)),
    "a monitored task": train(tasks=BOTH, training=config.Training(monitor="valence_mae")),
    "levels of a score": train(tasks={"level": CLASSES}, metrics=("mae", "accuracy")),
    "another label": further(),
    "another score": further(against="phq8", task="valence", metrics=("mae",)),
    "median": baseline("median", "phq8", SCORE, "mae"),
    "fusion": fuse(weight_by="f1"),  # by which nothing is weighed
    "profile": config.ProfileStage(data=DATA, group_by="mood"),
    "case": case(group="yes"),
    "a named participant": case(group="ill", participants=("p1",)),
    "cases": config.CasesStage(data=DATA, task="mood"),
    "spread": config.StabilityStage(data=DATA),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_the_labels_cannot_give_is_one_line_that_names_the_field(name):
    stage, line = WRONG[name]
    with pytest.raises(ConfigError) as error:
        stage.check_labels(LABELS)
    assert str(error.value).startswith(line)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", RIGHT)
def test_what_the_labels_give_is_not_refused(name):
    RIGHT[name].check_labels(LABELS)


def test_a_manifest_without_labels_is_told_so():
    with pytest.raises(ConfigError, match="tasks: a_corpus has no label 'depressed'; there is none: declare one"):
        train().check_labels(dataclasses.replace(LABELS, classes={}, scores=()))
