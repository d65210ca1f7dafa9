"""What is saved is restored bit for bit; training goes on from it as if nothing had happened."""

import shutil

import jax
import numpy as np
import pytest

from input_pipeline.errors import DataError
from jaxdep.engine.checkpoints import Checkpoints

pytestmark = pytest.mark.usefixtures("quick_compilation")


def equal(found, expected):
    jax.tree.map(np.testing.assert_array_equal, found, expected)


@pytest.fixture(scope="module")
def ensemble(make_examples, mean_model, make_ensemble, quick_compilation):
    return make_ensemble(make_examples(buckets=2), mean_model(dropout=0.3), count=3, mapper="map", devices=2)


def train(ensemble, states, first, epochs):
    states, history = ensemble.run(states, first, epochs)
    return states, history


@pytest.fixture(scope="module")
def uninterrupted(ensemble):
    states, _ = train(ensemble, ensemble.init(), 0, 3)
    states, history = train(ensemble, states, 3, 3)
    return ensemble.fetch(states), history


@pytest.fixture
def saved(ensemble, tmp_path):
    """A checkpoint folder after three epochs, with what went into it."""
    states, rows = train(ensemble, ensemble.init(), 0, 3)
    states = ensemble.fetch(states)
    history = {name: np.pad(values, [(0, 0), (0, 3)], constant_values=np.nan) for name, values in rows.items()}
    with Checkpoints(tmp_path / "checkpoints", 0) as checkpoints:
        checkpoints.save(3, states, history)
    return tmp_path / "checkpoints", states, history


def restore(folder, ensemble, history):
    with Checkpoints(folder, 0) as checkpoints:
        return checkpoints.restore(ensemble.abstract_states, history)


def test_nothing_saved_is_none(ensemble, tmp_path):
    assert restore(tmp_path / "checkpoints", ensemble, {}) is None


def test_what_another_version_saved_is_told_of_and_kept(saved, ensemble):
    folder, _, history = saved
    without_best = ensemble.abstract_states._replace(best=ensemble.abstract_states.best._replace(params={}))
    with Checkpoints(folder, 0) as checkpoints, pytest.raises(DataError, match=r"checkpoints/3: holds other arrays"):
        checkpoints.restore(without_best, history)
    assert restore(folder, ensemble, history)[0] == 3


def test_round_trip_is_exact(saved, ensemble):
    folder, states, history = saved
    epoch, found, found_history = restore(folder, ensemble, history)
    assert epoch == 3
    assert type(found) is type(states)
    equal(found, states)
    assert jax.tree.map(lambda x: x.dtype, found) == jax.tree.map(lambda x: x.dtype, states)
    assert found_history.keys() == history.keys()
    equal(found_history, history)
    assert all(values.flags.writeable for values in found_history.values())


def test_restored_training_goes_on_as_the_uninterrupted_one(saved, ensemble, uninterrupted):
    folder, _, history = saved
    _, states, _ = restore(folder, ensemble, history)
    states, rows = train(ensemble, ensemble.restore(states), 3, 3)
    equal(ensemble.fetch(states), uninterrupted[0])
    equal(rows, uninterrupted[1])


def test_restored_on_other_devices_it_goes_on_alike(
    saved, ensemble, uninterrupted, make_examples, mean_model, make_ensemble
):
    folder, _, history = saved
    other = make_ensemble(make_examples(buckets=2), mean_model(dropout=0.3), count=3, mapper="map", devices=8)
    _, states, _ = restore(folder, other, history)
    states, rows = train(other, other.restore(states), 3, 3)
    for found, expected in ((other.fetch(states), uninterrupted[0]), (rows, uninterrupted[1])):
        jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=1e-5), found, expected)


def test_history_may_grow_while_it_is_written(saved, ensemble, tmp_path):
    _, states, history = saved
    growing = {name: values.copy() for name, values in history.items()}
    with Checkpoints(tmp_path / "other", 0) as checkpoints:
        checkpoints.save(3, states, growing)
        for values in growing.values():
            values[:] = 7
    _, _, found = restore(tmp_path / "other", ensemble, history)
    equal(found, history)


def later(states, epoch):
    """The states as if those epochs later, to tell them from others."""
    return states._replace(waited=states.waited + epoch)


@pytest.fixture
def three(saved):
    """The folder after three checkpoints, at epochs 3, 6 and 9."""
    folder, states, history = saved
    with Checkpoints(folder, 0) as checkpoints:
        for epoch in (6, 9):
            checkpoints.save(epoch, later(states, epoch), history)
    return folder, states, history


def test_the_newest_checkpoint_counts_and_the_one_before_is_kept(three, ensemble):
    folder, states, history = three
    epoch, found, _ = restore(folder, ensemble, history)
    assert epoch == 9
    equal(found.waited, states.waited + 9)
    assert sorted(path.name for path in folder.iterdir()) == ["6", "9"]


def flip(path, bit):
    content = bytearray(path.read_bytes())
    content[bit // 8 % len(content)] ^= 1 << bit % 8
    path.write_bytes(content)


DAMAGE = {
    "a bit": lambda path: flip(path, 8003),
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "empty": lambda path: path.write_bytes(b""),
    "gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_where_one_is_damaged_the_one_before_counts_and_the_same_epoch_is_saved_anew(damage, three, ensemble):
    """Each file in turn: of arrays, of their names, of the digests."""
    folder, states, history = three
    whole = folder.with_name("whole")
    folder.rename(whole)
    parts = [path.relative_to(whole) for part in ("9/default", "9/digests.json") for path in files_in(whole / part)]
    for part in (parts[0], parts[len(parts) // 2], parts[-1]):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(whole, folder)
        damage(folder / part)
        told = []
        with Checkpoints(folder, 0, told.append) as checkpoints:
            assert checkpoints.restore_last(ensemble.abstract_states, history) is None
            epoch, found, _ = checkpoints.restore(ensemble.abstract_states, history)
            assert epoch == 6
            equal(found.waited, states.waited + 6)
            assert told == [f"{folder / '9'}: the checkpoint is damaged; what it held is computed once more"]
            checkpoints.save(9, later(states, 11), history)
        equal(restore(folder, ensemble, history)[1].waited, states.waited + 11)


def files_in(path):
    return [path] if path.is_file() else sorted(inner for inner in path.rglob("*") if inner.is_file())


def test_where_all_are_damaged_there_is_none(three, ensemble):
    folder, _, history = three
    for path in folder.glob("*/default/_METADATA"):
        flip(path, 99)
    assert restore(folder, ensemble, history) is None


@pytest.mark.parametrize(
    "name", ["6.orbax-checkpoint-tmp", "6.orbax-checkpoint-tmp-0", "6.orbax-checkpoint-tmp-1234567"]
)
def test_a_half_written_checkpoint_is_not_taken(name, saved, ensemble):
    folder, states, history = saved
    half = folder / name
    shutil.copytree(folder / "3", half)
    files = sorted(path for path in half.rglob("*") if path.is_file())
    for path in files[: len(files) // 2]:
        path.unlink()
    epoch, found, _ = restore(folder, ensemble, history)
    assert epoch == 3
    equal(found, states)


def test_saving_the_same_epoch_twice_writes_once(saved, ensemble):
    folder, states, history = saved
    with Checkpoints(folder, 0) as checkpoints:
        checkpoints.save(3, states._replace(waited=states.waited + 5), history)
    equal(restore(folder, ensemble, history)[1], states)


def test_due_only_after_the_given_seconds(tmp_path):
    with Checkpoints(tmp_path / "a", 1000) as rarely, Checkpoints(tmp_path / "b", 0) as always:
        assert not rarely.due()
        assert always.due()
