"""Folds and variants on the seed axis: each lane is the training that it would be alone."""

import dataclasses

import jax
import numpy as np
import pytest

from input_pipeline.config import ConfigError
from input_pipeline.errors import DataError
from jaxdep import config
from jaxdep.engine.ensemble import Ensemble
from jaxdep.engine.lanes import Lane, Variant, lanes_of
from jaxdep.engine.resident import Viewer
from jaxdep.engine.splits import divided, examples_tested
from jaxdep.losses import Huber

pytestmark = pytest.mark.usefixtures("quick_compilation")

TASKS = {"depressed": config.Task()}
FOLDS = config.Splits(folds=config.Folds(count=4))


def by_fold(examples, splits):
    return divided(examples, splits, examples.labels["depressed"])


def test_everybody_is_tested_once_and_nobody_stands_in_two_parts(make_examples):
    examples = make_examples(windows=2)
    folds = by_fold(examples, FOLDS)
    assert len(folds) == 4
    everybody = sorted(set(examples.participants))
    assert sorted(name for fold in folds for name in fold.test) == everybody
    for index, fold in enumerate(folds):
        assert fold.validation == folds[index - 1].test
        assert sorted((*fold.train, *fold.validation, *fold.test)) == everybody
        depressed = np.isin(examples.participants, fold.test) & (examples.labels["depressed"] == 1)
        assert 3 <= depressed.sum() / 2 <= 4  # 14 of 40 in four folds
    assert len(examples_tested(examples, FOLDS, examples.labels["depressed"])) == len(examples.ids)


def test_each_group_of_a_metadatum_is_left_out_once(make_examples):
    examples = make_examples()
    sessions = np.array([f"session{int(name[1:]) % 3}" for name in examples.participants])
    examples = dataclasses.replace(examples, metadata=examples.metadata | {"session": sessions})
    folds = by_fold(examples, config.Splits(folds=config.Folds(by="session")))
    assert [set(sessions[np.isin(examples.participants, fold.test)]) for fold in folds] == [
        {"session0"},
        {"session1"},
        {"session2"},
    ]


@pytest.mark.parametrize(
    ("folds", "error", "line"),
    [
        (
            config.Folds(by="room"),
            ConfigError,
            "splits.folds.by: the corpus has no 'room'; there are participant, split",
        ),
        (config.Folds(by="gender"), ConfigError, "splits.folds: 2 groups by 'gender'; at least 3"),
        (config.Folds(count=41), ConfigError, "splits.folds: 41 folds of 40 groups"),
    ],
)
def test_folds_that_cannot_be_made_are_named(folds, error, line, make_examples):
    with pytest.raises(error, match=line):
        by_fold(make_examples(), config.Splits(folds=folds))


def test_a_participant_of_two_groups_is_named(make_examples):
    examples = make_examples(windows=2)
    sides = np.where(np.arange(len(examples.ids)) % 2, "left", "right")
    examples = dataclasses.replace(examples, metadata={"side": sides})
    with pytest.raises(DataError, match="participant 'p0' stands in both 'right' and 'left'"):
        by_fold(examples, config.Splits(folds=config.Folds(by="side", validate=False)))


@pytest.mark.parametrize(
    "options",
    [
        {"mapper": "vmap"},
        pytest.param({"mapper": "map"}, marks=pytest.mark.slow),
        pytest.param({"mapper": "loop", "devices": 2}, marks=pytest.mark.slow),
        pytest.param({"mapper": "pmap", "devices": 2}, marks=pytest.mark.slow),
        pytest.param({"mapper": "vmap", "resident_gb": 1e-9}, marks=pytest.mark.slow),
    ],
)
def test_a_fold_is_what_it_would_be_alone(options, make_examples, mean_model, fit, assert_same_seed):
    examples = make_examples()
    together = fit(examples, mean_model(dropout=0.2), splits=FOLDS, count=2, **options)
    assert len(together.ensemble.trainers) == 1  # one program for all folds
    assert together.ensemble.lanes == tuple(Lane(seed, fold) for fold in range(4) for seed in range(2))
    for fold, splits in enumerate(by_fold(examples, FOLDS)):
        if fold in (0, 3):
            one = fit(examples, mean_model(dropout=0.2), splits=splits, count=2)
            for seed in range(2):
                n = len(splits.test)
                found = dataclasses.replace(together)
                found.test_predictions = together.test_predictions[:, :n]
                assert_same_seed(found, 2 * fold + seed, one, seed)


VARIED = {
    "optimizer.learning_rate": lambda rate: {"optimizer": config.Optimizer(name="adamw", learning_rate=rate)},
    "optimizer.weight_decay": lambda decay: {"optimizer": config.Optimizer(name="sgd", weight_decay=decay)},
    "optimizer.clip_norm": lambda norm: {"optimizer": config.Optimizer(name="sgd", learning_rate=0.1, clip_norm=norm)},
    "tasks.score.weight": lambda weight: {
        "tasks": {"depressed": config.Task(), "score": config.Task(loss=Huber(), weight=weight)}
    },
}


RARE = set(VARIED) - {"optimizer.learning_rate"}


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=[pytest.mark.slow] * (path in RARE))
        for path in (*VARIED, "tasks.depressed.class_weights")
    ],
)
@pytest.mark.parametrize("mapper", ["vmap", pytest.param("map", marks=pytest.mark.slow)])
def test_a_variant_is_what_it_would_be_alone(
    path, mapper, make_examples, make_program, mean_model, fit, assert_same_seed
):
    examples = make_examples()
    if path == "tasks.depressed.class_weights":
        alone = [{"tasks": {"depressed": config.Task(class_weights=kind)}} for kind in ("balanced", "equal")]
        variants, varied = [Variant(options["tasks"], {}) for options in alone], []
    else:
        values, varied = (0.01, 0.1), [path]
        alone = [VARIED[path](value) for value in values]
        variants = [
            Variant(options.get("tasks", TASKS), {path: value}) for options, value in zip(alone, values, strict=True)
        ]
    tasks = alone[0].get("tasks", TASKS)
    program = make_program(examples, mean_model(), **{"tasks": tasks} | alone[0], varied=varied)
    viewer = Viewer(examples, tasks, config.Splits())
    mapping = config.Mapping(mapper=mapper)
    ensemble = Ensemble(program, viewer, config.Seeds(count=2), mapping, variants=variants, devices=jax.devices()[:1])
    states, history = ensemble.run(ensemble.init(), 0, 3)
    final = ensemble.fetch(states)
    for index, options in enumerate(alone):
        one = fit(examples, mean_model(), count=2, **options)
        for seed in range(2):
            lane = ensemble.lanes.index(Lane(seed, 0, index))
            kernels = [params["heads"]["depressed"]["kernel"] for params in (final.params, one.final.params)]
            np.testing.assert_allclose(kernels[0][lane], kernels[1][seed], rtol=0, atol=1e-6)
            np.testing.assert_allclose(history["train/loss"][lane], one.history["train/loss"][seed], rtol=1e-5)
    assert not np.allclose(history["train/loss"][0], history["train/loss"][2])  # the variants do differ


def test_lanes_are_variants_of_folds_of_seeds():
    lanes = lanes_of(config.Seeds(first=3, count=2), 2, 2)
    assert lanes[:4] == (Lane(3, 0, 0), Lane(4, 0, 0), Lane(3, 1, 0), Lane(4, 1, 0))
    assert {lane.variant for lane in lanes[4:]} == {1}
