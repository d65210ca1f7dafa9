"""What a seed sees of the examples: its own normalisation, class weights, decision units and targets."""

import dataclasses

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from input_pipeline.batching import Bucket, Padded
from input_pipeline.config import ConfigError
from input_pipeline.errors import DataError
from jaxdep import config
from jaxdep.engine.resident import Viewer
from jaxdep.losses import Huber
from jaxdep.models import Masked

TASKS = {"depressed": config.Task(), "score": config.Task(loss=Huber())}
DRAWN = config.Splits(validation=(), validation_fraction=0.3)


def rows_of(part, examples):
    """The example indices of a part, bucket after bucket."""
    return np.concatenate(
        [bucket.rows[positions] for bucket, positions in zip(examples.buckets, part.positions, strict=True)]
    )


def frames_of(examples, rows):
    found = []
    for bucket in examples.buckets:
        chosen = np.isin(bucket.rows, rows)
        values, mask = bucket.features["audio"]
        found.append(values[chosen][mask[chosen]])
    return np.concatenate(found).astype(np.float64)


@pytest.mark.parametrize("shape", [{}, {"buckets": 3, "windows": 2}, {"levels": 2}])
@pytest.mark.parametrize("splits", [config.Splits(), DRAWN])
def test_normaliser_is_mean_and_deviation_of_the_training_split_alone(shape, splits, make_examples):
    examples = make_examples(**shape)
    view = Viewer(examples, TASKS, splits).view(5)
    frames = frames_of(examples, rows_of(view.parts["train"], examples))
    mean, scale = view.normalizers["audio"]
    np.testing.assert_allclose(mean, frames.mean(0), atol=1e-5)
    np.testing.assert_allclose(scale, 1 / frames.std(0), rtol=1e-5)


def test_seeds_of_one_named_draw_have_one_view(make_examples):
    of_seed = Viewer(make_examples(), TASKS, DRAWN)
    of_all = Viewer(make_examples(), TASKS, dataclasses.replace(DRAWN, validation_draw=5))
    assert of_all.view(1) is of_all.view(2)
    assert of_seed.view(1) is not of_seed.view(2)
    np.testing.assert_array_equal(of_all.view(1).train, of_seed.view(5).train)


def test_normaliser_keeps_its_digits_far_from_zero(make_examples):
    examples = make_examples()
    (bucket,) = examples.buckets
    values, mask = bucket.features["audio"]
    far = np.where(mask[..., None], values + 1e4, 0).astype(np.float32)
    examples = dataclasses.replace(examples, buckets=(Bucket({"audio": Padded(far, mask)}, bucket.rows),))
    mean, scale = Viewer(examples, TASKS, config.Splits()).view(0).normalizers["audio"]
    frames = frames_of(examples, np.flatnonzero(examples.splits == "train"))
    np.testing.assert_allclose(mean, frames.mean(0), rtol=1e-6)
    np.testing.assert_allclose(scale, 1 / frames.std(0), rtol=1e-5)


def test_a_constant_dimension_is_only_centred_and_nothing_moves_without_normalisation(make_examples):
    examples = make_examples()
    values, mask = examples.buckets[0].features["audio"]
    values[..., 2] = np.where(mask, 3.0, 0.0)
    mean, scale = Viewer(examples, TASKS, config.Splits()).view(0).normalizers["audio"]
    assert (mean[2], scale[2]) == (3.0, 1.0)
    mean, scale = Viewer(examples, TASKS, config.Splits(), ("audio",)).view(0).normalizers["audio"]
    assert (mean == 0).all()
    assert (scale == 1).all()


def test_an_example_without_any_frame_does_not_spoil_the_normaliser(make_examples):
    examples = make_examples()
    values, mask = examples.buckets[0].features["audio"]
    values[0], mask[0] = 0, False
    mean, scale = Viewer(examples, TASKS, config.Splits()).view(0).normalizers["audio"]
    frames = frames_of(examples, np.flatnonzero(examples.splits == "train"))
    np.testing.assert_allclose(mean, frames.mean(0), atol=1e-5)
    np.testing.assert_allclose(scale, 1 / frames.std(0), rtol=1e-5)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_class_weights_are_scikit_learns_balanced_ones(seed, make_examples):
    examples = make_examples(windows=2)
    examples.labels["depressed"][:4] = -1
    view = Viewer(examples, TASKS, DRAWN).view(seed)
    labels = examples.labels["depressed"][rows_of(view.parts["train"], examples)]
    labels = labels[labels >= 0]
    expected = compute_class_weight("balanced", classes=np.array([0, 1]), y=labels)
    np.testing.assert_allclose(view.class_weights["depressed"], expected, rtol=1e-6)
    assert view.class_weights["score"].tolist() == [1.0]


def test_unbalanced_classes_weigh_the_same_where_that_is_asked_for(make_examples):
    view = Viewer(make_examples(), {"depressed": config.Task(class_weights="equal")}, config.Splits()).view(0)
    assert view.class_weights["depressed"].tolist() == [1.0, 1.0]


def test_a_class_that_nobody_trains_on_is_named(make_examples):
    examples = make_examples()
    examples.labels["depressed"][examples.splits == "train"] = 0
    with pytest.raises(
        DataError, match=r"^tasks.depressed: the training split has no example of class 'depressed'; set"
    ):
        Viewer(examples, TASKS, config.Splits()).view(0)


def test_units_are_the_recordings_of_a_part_with_their_targets(make_examples):
    examples = make_examples(n=12, windows=3, buckets=2)
    view = Viewer(examples, TASKS, config.Splits()).view(0)
    for name, split in (("train", "train"), ("validation", "dev"), ("test", "test")):
        part, units = view.parts[name], view.units[name]
        groups = sorted(set(examples.groups[examples.splits == split]))
        assert units.groups.tolist() == groups
        assert units.participants.tolist() == [f"p{group}" for group in groups]
        rows = rows_of(part, examples)
        assert sorted(rows) == np.flatnonzero(examples.splits == split).tolist()
        assert units.groups[np.concatenate(part.units)].tolist() == examples.groups[rows].tolist()
        for task, targets in part.targets.items():
            first = [np.flatnonzero(examples.groups == group)[0] for group in groups]
            np.testing.assert_array_equal(targets, examples.labels[task][first])


def test_a_units_decision_is_the_mean_of_its_windows_probabilities(make_examples, make_program, one_seed):
    examples = make_examples(n=12, windows=3, buckets=2)
    seed, resident, view = one_seed(examples, tasks=TASKS)
    program = make_program(examples, tasks=TASKS)
    state = program.init(seed=seed)
    found = program.predict(state, seed=seed, resident=resident, part="test")
    mean, scale = view.normalizers["audio"]
    decisions = {task: {group: [] for group in view.units["test"].groups} for task in TASKS}
    for bucket in examples.buckets:
        values, mask = bucket.features["audio"]
        for row, frames, valid in zip(bucket.rows, values, mask, strict=True):
            if examples.splits[row] == "test":
                x = ((frames[valid] - mean) * scale).mean(0)
                for task, head in state.params["heads"].items():
                    logits = x @ np.asarray(head["kernel"]) + np.asarray(head["bias"])
                    value = np.exp(logits) / np.exp(logits).sum() if task == "depressed" else logits
                    decisions[task][examples.groups[row]].append(value)
    for task, by_group in decisions.items():
        by_unit = [np.mean(windows, axis=0) for windows in by_group.values()]
        np.testing.assert_allclose(found[task].units, by_unit, atol=1e-5)
        assert all(len(windows) == 3 for windows in by_group.values())


def test_padding_stays_zero_behind_the_normalisation(make_examples, make_program, one_seed):
    """A model that sees the padding would see the mean subtracted from it."""
    examples = make_examples()
    seed, resident, _ = one_seed(examples)
    values, mask = resident.buckets[0].features["audio"]
    bucket = resident.buckets[0]._replace(features={"audio": Masked(values + 9 * ~mask[..., None], mask)})
    noisy = resident._replace(buckets=(bucket,))
    program = make_program(examples)
    state = program.init(seed=seed)
    clean = program.predict(state, seed=seed, resident=resident, part="test")["depressed"].units
    np.testing.assert_array_equal(
        program.predict(state, seed=seed, resident=noisy, part="test")["depressed"].units, clean
    )


def test_seeds_share_listed_splits_and_draw_their_own(make_examples):
    listed, drawn = (Viewer(make_examples(), TASKS, splits) for splits in (config.Splits(), DRAWN))
    assert listed.view(1) is listed.view(2)
    assert drawn.view(1) is drawn.view(1)
    assert drawn.view(1).units["train"].groups.tolist() != drawn.view(2).units["train"].groups.tolist()


@pytest.mark.parametrize(
    ("tasks", "line"),
    [
        ({"phq": config.Task()}, "tasks.phq: the corpus has no such label; it has depressed, score"),
        (
            {"depressed": config.Task(loss=Huber())},
            "tasks.depressed.loss: Huber does not fit a label that has classes",
        ),
        ({"score": config.Task()}, "tasks.score.loss: CrossEntropy does not fit a label that is a score"),
    ],
)
def test_tasks_that_do_not_fit_the_labels_are_one_line(tasks, line, make_examples):
    with pytest.raises(ConfigError) as error:
        Viewer(make_examples(), tasks, config.Splits())
    assert str(error.value).startswith(line)
    assert "\n" not in str(error.value)
