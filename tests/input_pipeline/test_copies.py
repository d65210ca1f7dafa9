"""Perturbed copies behind the recordings: which example is whose, and that nothing counts them among recordings."""

import dataclasses

import numpy as np
import pytest

from input_pipeline.batching import Arrangement, FeatureSet, Stored, arrange
from input_pipeline.builder import Description
from input_pipeline.copies import with_copies
from input_pipeline.errors import DataError

LENGTHS = {"a": [2, 1], "b": [3], "c": []}  # frames of each segment; c lacks the feature


def made(offset=0, dim=2, lengths=None, labels=(0, 1, 1)):
    """A feature set whose frames tell the recording, in each copy moved by another offset."""
    recordings = []
    for index, (name, of_one) in enumerate((lengths or LENGTHS).items()):
        counts = np.array(of_one or [0], np.int32)
        values = offset + np.tile(np.arange(counts.sum(), dtype=np.float32)[:, None] + 10 * index, dim)
        at_s = np.arange(len(counts), dtype=float)
        recordings.append(
            Stored(name, f"p{index}", "train", {"sad": labels[index]}, {}, values, counts, at_s, at_s + 1)
        )
    description = Description(
        "c", False, {}, 1, (dim,), f"f{offset}", "tfrecord", ("sad",), {"sad": ("no", "yes")}, tuple(LENGTHS)
    )
    return FeatureSet(description, tuple(recordings))


def test_copies_stand_behind_the_recordings_each_example_at_its_own_place():
    sets = with_copies({"x": made(), "y": made(dim=3)}, [{"x": made(100 * n), "y": made(dim=3)} for n in (1, 2)])
    levels = {"x": Arrangement(level="frame"), "y": Arrangement(level="vector")}
    alone, examples = arrange({"x": made(), "y": made(dim=3)}, levels), arrange(sets, levels)
    n = len(alone.ids)
    assert (examples.copies, examples.n_originals, examples.n_recordings, len(examples.ids)) == (2, n, 3, 3 * n)
    np.testing.assert_array_equal(examples.ids[:n], alone.ids)
    np.testing.assert_array_equal(examples.group_ids, ["a", "b", "c", "a~1", "b~1", "c~1", "a~2", "b~2", "c~2"])
    np.testing.assert_array_equal(examples.groups, np.concatenate([alone.groups + 3 * copy for copy in range(3)]))
    assert len(set(examples.ids)) == 3 * n
    for name in ("participants", "splits"):
        np.testing.assert_array_equal(getattr(examples, name), np.tile(getattr(alone, name), 3))
    np.testing.assert_array_equal(examples.labels["sad"], np.tile(alone.labels["sad"], 3))
    for name, moves in (("x", 100), ("y", 0)):
        values, mask = examples.buckets[0].features[name]
        expected, there = alone.buckets[0].features[name]
        np.testing.assert_array_equal(mask, np.tile(there, 3))
        for copy in range(3):
            found = values[copy * n : (copy + 1) * n]
            np.testing.assert_array_equal(found, np.where(there[:, None], expected + moves * copy, 0))
    np.testing.assert_array_equal(examples.with_copies(np.array([0, 4])), [0, 4, n, n + 4, 2 * n, 2 * n + 4])
    assert examples.left_out == alone.left_out != ()  # one of three recordings lacks it, not three of nine
    assert examples.summary().startswith(f"{n} examples of 3 recordings, each with 2 perturbed copies (")


def test_without_copies_nothing_is_another():
    plain, none = (arrange({"x": one}, {"x": Arrangement()}) for one in (made(), with_copies({"x": made()}, [])["x"]))
    np.testing.assert_array_equal(plain.ids, none.ids)
    assert (none.copies, none.n_originals, none.fingerprints) == (0, 3, {"x": "f0"} | plain.fingerprints)
    np.testing.assert_array_equal(none.with_copies(np.array([1, 2])), [1, 2])


def test_another_copy_is_another_fingerprint():
    found = [with_copies({"x": made()}, [{"x": made(n)} for n in of])["x"].fingerprint for of in ([], [1], [2], [1, 2])]
    assert found[0] == "f0"
    assert len(set(found)) == 4


@pytest.mark.parametrize(
    ("copy", "line"),
    [
        (made(1, lengths=LENGTHS | {"b": [2]}), "recording b: 'x, copy 1' has 2 frames, 'x' 3; prepare both again"),
        (made(1, labels=(0, 0, 1)), "recording b: participant, split, labels or metadata differ"),
        (dataclasses.replace(made(1), recordings=made(1).recordings[:2]), "recording c: has only one of the features"),
    ],
)
def test_copies_of_another_state_of_the_corpus_are_told(copy, line):
    with pytest.raises(DataError, match=line):
        with_copies({"x": made()}, [{"x": copy}])
