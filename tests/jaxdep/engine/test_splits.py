"""Whole participants train, validate or are tested; what cannot be divided is one line."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedShuffleSplit

from input_pipeline.errors import DataError
from jaxdep.config import Splits
from jaxdep.engine.splits import assign

DRAWN = Splits(validation=(), validation_fraction=0.25)


def owners(examples, rows):
    return set(examples.participants[rows])


@settings(max_examples=40, deadline=None)
@given(
    recordings=st.integers(80, 100),  # enough participants of both classes for every share and fraction
    share=st.integers(1, 4),
    fraction=st.sampled_from([0.2, 0.25, 0.4, 0.5]),
    seed=st.integers(0, 2**32 - 1),
)
def test_no_participant_stands_in_two_parts_and_no_example_is_lost(make_examples, recordings, share, fraction, seed):
    """Participants own several recordings of several windows each."""
    examples = make_examples(n=recordings, windows=2)
    owner = np.array([f"p{group // share}" for group in range(recordings)])
    split = {name: ("train", "test")[int(name[1:]) % 4 == 3] for name in owner}
    label = {name: int(name[1:]) % 2 for name in owner}
    examples = dataclasses.replace(
        examples,
        participants=owner[examples.groups],
        splits=np.array([split[name] for name in owner])[examples.groups],
        labels={"depressed": np.array([label[name] for name in owner])[examples.groups]},
    )
    splits = dataclasses.replace(DRAWN, validation_fraction=fraction)
    parts = assign(examples, splits, examples.labels["depressed"], seed)
    assert set(parts) <= {"train", "validation", "test"}
    everyone = np.concatenate(list(parts.values()))
    assert sorted(everyone) == list(range(len(examples.ids)))
    for rows in parts.values():
        assert (np.diff(rows) > 0).all()
    for one in parts:
        for other in parts:
            assert one == other or not owners(examples, parts[one]) & owners(examples, parts[other])
    assert {examples.labels["depressed"][rows].max() for rows in (parts["train"], parts["validation"])} == {1}
    again = assign(examples, splits, examples.labels["depressed"], seed)
    assert all((again[part] == rows).all() for part, rows in parts.items())


def test_a_drawn_split_has_the_classes_in_the_pools_proportion(make_examples):
    examples = make_examples(n=120)
    labels = examples.labels["depressed"]
    parts = assign(examples, DRAWN, labels, 3)
    assert len(parts["validation"]) == 15
    assert labels[parts["validation"]].sum() == 5
    assert owners(examples, parts["test"]) == set(examples.participants[examples.splits == "test"])


def test_a_drawn_test_split_is_one_for_all_seeds_and_nobody_of_it_trains(make_examples):
    examples = make_examples(n=30, windows=2)
    splits = Splits(validation=(), test=(), train=("train", "dev", "test"), test_fraction=0.2, validation_fraction=0.1)
    first, second = (assign(examples, splits, examples.labels["depressed"], seed) for seed in (0, 1))
    np.testing.assert_array_equal(first["test"], second["test"])
    assert len(first["test"]) == 12
    assert not np.array_equal(first["validation"], second["validation"])
    owned = [owners(examples, first[part]) for part in ("train", "validation", "test")]
    assert sum(map(len, owned)) == len(set().union(*owned)) == 30
    other = assign(examples, dataclasses.replace(splits, test_draw=1), examples.labels["depressed"], 0)
    assert not np.array_equal(first["test"], other["test"])


def test_leaky_draws_divide_examples_and_stand_for_themselves(make_examples):
    examples = make_examples(n=10, windows=6)
    splits = Splits(validation=(), test=(), train=("train", "dev", "test"), test_fraction=0.25, leaky=True)
    parts = assign(examples, splits, examples.labels["depressed"], 0)
    assert sorted(np.concatenate(list(parts.values()))) == list(range(60))
    assert len(parts["test"]) == 15
    assert owners(examples, parts["test"]) & owners(examples, parts["train"])
    shares = [examples.labels["depressed"][rows].mean() for rows in parts.values()]
    assert shares[0] == pytest.approx(shares[1], abs=0.1)


@pytest.mark.parametrize("alone", [1, 2, 3])
def test_leaky_draws_take_classes_of_one_example_as_one(make_examples, alone):
    examples = make_examples(n=10, windows=6)
    splits = Splits(validation=(), test=(), train=("train", "dev", "test"), test_fraction=0.25, leaky=True)
    labels = np.arange(60, dtype=np.int32) % 2
    labels[:alone] = np.arange(alone) + 7
    parts = assign(examples, splits, labels, 0)
    assert sorted(np.concatenate(list(parts.values()))) == list(range(60))
    assert (labels[parts["test"]] < 7).mean() == pytest.approx(1, abs=0.1)
    assert labels[parts["test"]].tolist().count(0) == pytest.approx(7.5, abs=1)
    assert np.sum(labels[parts["train"]] >= 7) >= alone // 2


def test_a_named_draw_is_one_for_all_seeds_and_that_of_its_number(make_examples):
    examples = make_examples(n=120)
    labels = examples.labels["depressed"]
    one = dataclasses.replace(DRAWN, validation_draw=3)
    first, second = (assign(examples, one, labels, seed)["validation"] for seed in (0, 7))
    np.testing.assert_array_equal(first, second)
    pool = np.flatnonzero(examples.splits == "train")
    people, places = np.unique(examples.participants[pool], return_index=True)
    shuffle = StratifiedShuffleSplit(1, test_size=0.25, random_state=3)
    _, held_out = next(shuffle.split(people, labels[pool][places]))
    assert owners(examples, first) == set(people[held_out])
    other = assign(examples, dataclasses.replace(one, validation_draw=4), labels, 0)["validation"]
    assert owners(examples, other) != owners(examples, first)


def test_listed_splits_ignore_the_seed_and_empty_parts_are_left_out(make_examples):
    examples = make_examples()
    first, second = (assign(examples, Splits(), examples.labels["depressed"], seed) for seed in (0, 1))
    assert all((first[part] == second[part]).all() for part in ("train", "validation", "test"))
    assert set(assign(examples, Splits(test=()), examples.labels["depressed"], 0)) == {"train", "validation"}


def test_who_is_not_listed_trains(make_examples):
    examples = make_examples(n=10)
    splits = Splits(by="participant", train=(), validation=("p3",), test=("p5", "p7"))
    parts = assign(examples, splits, examples.labels["depressed"], 0)
    assert owners(examples, parts["train"]) == {f"p{i}" for i in range(10)} - {"p3", "p5", "p7"}
    assert owners(examples, parts["test"]) == {"p5", "p7"}


def _refusal(examples, splits):
    with pytest.raises(DataError) as error:
        assign(examples, splits, examples.labels["depressed"], 0)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_unknown_names_are_told_with_the_known_ones(make_examples):
    line = _refusal(make_examples(), Splits(test=("exam",)))
    assert line == "splits.test: the corpus has no split 'exam'; it has: dev, test, train"
    line = _refusal(make_examples(n=4), Splits(by="participant", train=("p9",), validation=(), test=()))
    assert line == "splits.train: the corpus has no participant 'p9'; it has: p0, p1, p2, p3"


def test_a_participant_in_two_parts_is_named_plainly(make_examples):
    examples = make_examples()
    examples.participants[-1] = "p0"
    assert _refusal(examples, Splits()).startswith("participant 'p0' stands in both train and test; correct the corpus")


def test_nobody_left_to_train_on(make_examples):
    examples = make_examples(n=4)
    splits = Splits(by="participant", train=(), validation=("p0", "p1"), test=("p2", "p3"))
    assert "leaves no example to train on" in _refusal(examples, splits)


@pytest.mark.parametrize("positives", [0, 1])
def test_a_split_that_cannot_be_drawn_says_why(positives, make_examples):
    examples = make_examples(n=6)
    examples.labels["depressed"][:] = 0
    examples.labels["depressed"][:positives] = 1
    if positives:
        assert "splits.validation_fraction=0.25: cannot divide 3 participants" in _refusal(examples, DRAWN)
    else:
        tiny = dataclasses.replace(DRAWN, validation_fraction=0.9)
        examples.participants[:] = examples.participants[0]
        examples.splits[:] = "train"
        assert "cannot divide 1 participants" in _refusal(examples, dataclasses.replace(tiny, test=()))


def test_people_whose_utterances_are_of_several_classes_are_drawn_without_stratifying(make_examples):
    """Of dialogues whose first utterance happens to be of a rare class there may be but one."""
    examples = make_examples(n=40)
    labels = np.where(np.arange(40) == 4, 1, 0)
    owner = np.array([f"p{number // 4}" for number in range(40)])
    examples = dataclasses.replace(examples, participants=owner, splits=np.full(40, "train"))
    splits = Splits(validation=(), test=(), validation_fraction=0.2)
    parts = assign(examples, splits, labels, 3)
    assert len(owners(examples, parts["validation"])) == 2
    assert not owners(examples, parts["train"]) & owners(examples, parts["validation"])
