"""Perturbed copies train, and nothing else: they are of whoever trains, in splits of every kind."""

import dataclasses

import numpy as np
import pytest

from input_pipeline.batching import Bucket, Padded
from jaxdep import config
from jaxdep.config import Folds, Splits
from jaxdep.engine.resident import Viewer
from jaxdep.engine.sampling import most
from jaxdep.engine.splits import assign, divided, examples_tested

COPIES = 2
ALL = ("train", "dev", "test")
SPLITS = {
    "listed": Splits(),
    "by participant": Splits(by="participant", train=(), validation=("p3",), test=("p5", "p7")),
    "drawn": Splits(train=ALL, validation=(), test=(), test_fraction=0.2, validation_fraction=0.2),
    "folds": Splits(folds=Folds(count=4)),
    "folds by metadata": Splits(folds=Folds(by="gender", validate=False)),
    "leaky": Splits(train=ALL, validation=(), test=(), test_fraction=0.2, validation_fraction=0.2, leaky=True),
}


@pytest.fixture
def examples(make_examples):
    return make_examples(n=40, windows=3, buckets=2)


def copied(examples):
    """With copies that are moved by 50 and 100."""
    n, g = len(examples.ids), len(examples.group_ids)

    def bucket(one):
        values, mask = one.features["audio"]
        moved = [np.where(mask[..., None], values + 50 * copy, 0) for copy in range(1 + COPIES)]
        rows = np.concatenate([one.rows + n * copy for copy in range(1 + COPIES)])
        features = {"audio": Padded(np.concatenate(moved).astype(np.float32), np.tile(mask, (1 + COPIES, 1)))}
        return Bucket(features, rows.astype(np.int32))

    def tiled(array):
        return np.tile(array, 1 + COPIES)

    return dataclasses.replace(
        examples,
        buckets=tuple(map(bucket, examples.buckets)),
        ids=np.concatenate([examples.ids, *([f"{one}~{n}" for one in examples.ids] for n in (1, 2))]),
        group_ids=np.concatenate([examples.group_ids, *([f"{one}~{n}" for one in examples.group_ids] for n in (1, 2))]),
        participants=tiled(examples.participants),
        splits=tiled(examples.splits),
        groups=np.concatenate([examples.groups + g * copy for copy in range(1 + COPIES)]).astype(np.int32),
        labels={name: tiled(labels) for name, labels in examples.labels.items()},
        metadata={name: tiled(texts) for name, texts in examples.metadata.items()},
        copies=COPIES,
    )


@pytest.mark.parametrize("name", SPLITS)
def test_copies_are_of_those_who_train_and_the_parts_are_what_they_are_without(examples, name):
    n, labels, with_copies = len(examples.ids), examples.labels["depressed"], copied(examples)
    tiled = with_copies.labels["depressed"]
    folds, alike = divided(examples, SPLITS[name], labels), divided(with_copies, SPLITS[name], tiled)
    assert folds == alike
    for fold in folds:
        for seed in (0, 1):
            plain, parts = assign(examples, fold, labels, seed), assign(with_copies, fold, tiled, seed)
            assert set(plain) == set(parts) > {"train"}
            for part in set(parts) - {"train"}:
                np.testing.assert_array_equal(parts[part], plain[part])
            expected = [row + n * copy for copy in range(1 + COPIES) for row in plain["train"]]
            np.testing.assert_array_equal(parts["train"], expected)
    np.testing.assert_array_equal(
        examples_tested(with_copies, SPLITS[name], tiled), examples_tested(examples, SPLITS[name], labels)
    )


def test_a_copy_is_a_recording_of_its_own_to_training_and_counts_in_what_it_is_standardised_by(examples):
    with_copies, tasks = copied(examples), {"depressed": config.Task()}
    plain, view = (Viewer(one, tasks, Splits()).view(0) for one in (examples, with_copies))
    trained = {*with_copies.group_ids[view.units["train"].groups]}
    names = examples.group_ids[plain.units["train"].groups]
    assert trained == {*names, *(f"{name}~{n}" for name in names for n in (1, 2))}
    for part in ("validation", "test"):
        np.testing.assert_array_equal(view.units[part].groups, plain.units[part].groups)
    np.testing.assert_allclose(
        view.normalizers["audio"].mean, plain.normalizers["audio"].mean + 50, rtol=1e-5
    )  # of 0, 50 and 100
    np.testing.assert_allclose(view.class_weights["depressed"], plain.class_weights["depressed"])


def test_an_epoch_draws_from_each_copy_as_from_a_recording(examples):
    found = []
    for one in (examples, copied(examples)):
        part = Viewer(one, {"depressed": config.Task()}, Splits()).view(0).parts["train"]
        found.append(most(part, config.Sampling(per_recording=1), "depressed", one.classes["depressed"]).sum())
    assert found[1] == 3 * found[0] > 0


def test_a_trained_seed_decides_on_each_recording_once(make_examples, fit, quick_compilation):
    """The features lie on the device, or are streamed."""
    examples = make_examples(n=16, windows=2)
    tested = np.unique(examples.groups[examples.splits == "test"])
    resident, streamed = (fit(copied(examples), epochs=2, resident_gb=gigabytes) for gigabytes in (0.0, 1e-9))
    assert (resident.ensemble.streams, streamed.ensemble.streams) == (False, True)
    for found in (resident, streamed):
        (units,) = found.ensemble.units
        np.testing.assert_array_equal(units["test"].groups, tested)
        assert found.test_predictions.shape[:2] == (1, len(tested))
        np.testing.assert_array_equal(
            np.sort(found.ensemble.rows("test")[0]), np.flatnonzero(examples.splits == "test")
        )
    np.testing.assert_allclose(streamed.test_predictions, resident.test_predictions, atol=1e-5)
