"""Every mapper applies a function of one seed to all seeds, and to each on its own device."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from input_pipeline.config import ConfigError
from jaxdep.engine import mappers
from jaxdep.engine.ensemble import make_mesh
from jaxdep.engine.mappers import COMPILERS, Layout, Lift

SEEDS, SIZE = 8, 3


def one_seed(state, data, shared):
    return {"sum": state + data["x"] @ shared, "count": state.sum()}


def arguments(mesh):
    rng = np.random.default_rng(0)
    by_seed = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("seed"))
    everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    state, x = (rng.normal(size=shape).astype(np.float32) for shape in ((SEEDS, SIZE), (SEEDS, SIZE, SIZE)))
    shared = rng.normal(size=SIZE).astype(np.float32)
    return jax.device_put(state, by_seed), {"x": jax.device_put(x, by_seed)}, jax.device_put(shared, everywhere)


@pytest.mark.parametrize("devices", [1, 4])
@pytest.mark.parametrize(("mapper", "group"), [(m, 1) for m in COMPILERS] + [("map", 2), ("pmap", 2), ("map", 3)])
def test_all_seeds_by_numpy(mapper, group, devices):
    mesh = make_mesh(1, jax.devices()[:devices])
    state, data, shared = arguments(mesh)
    found = COMPILERS[mapper](one_seed, (state, data, shared), mesh, group, False)(state, data, shared)
    np.testing.assert_allclose(found["sum"], state + np.asarray(data["x"]) @ np.asarray(shared), atol=1e-5)
    np.testing.assert_allclose(found["count"], np.asarray(state).sum(1), atol=1e-5)
    assert len(found["sum"].sharding.device_set) == devices


@pytest.mark.parametrize("mapper", ["vmap", "map"])
def test_seeds_on_different_devices_do_not_talk(mapper):
    mesh = make_mesh(1, jax.devices())
    args = arguments(mesh)
    program = COMPILERS[mapper](one_seed, args, mesh, 1, False).executable.as_text()
    for collective in ("all-reduce", "all-gather", "all-to-all", "collective-permute"):
        assert collective not in program


def learning(state, data, shared):
    return state + data["x"] @ shared, state.sum()


@pytest.mark.parametrize(
    ("mapper", "group"), [("vmap", 1), ("map", 1), ("map", 2), ("map", 3), ("map", 9), ("pmap", 1)]
)
def test_states_are_donated_only_where_asked(mapper, group):
    mesh = make_mesh(1, jax.devices()[:2])
    for donate in (False, True):
        state, data, shared = arguments(mesh)
        before, x = np.array(state), np.array(data["x"])
        compiled = COMPILERS[mapper](learning, (state, data, shared), mesh, group, donate)
        after, total = compiled(state, data, shared)
        assert mapper == "pmap" or state.is_deleted() == donate
        np.testing.assert_allclose(after, before + x @ np.asarray(shared), atol=1e-5)
        np.testing.assert_allclose(total, before.sum(1), atol=1e-5)


@pytest.mark.parametrize("group", [1, 2])
def test_donated_states_are_held_once(group):
    """A step that needs nothing else: by the compiler's plan it takes less than half of the states beside them."""
    mesh, size = make_mesh(1, jax.devices()[:1]), 1 << 16
    args = jax.eval_shape(lambda: (jnp.zeros((SEEDS, size)), {"x": jnp.zeros(SEEDS)}, jnp.zeros(())))

    def halved(state, data, shared):
        return state / 2, data["x"]

    held = COMPILERS["map"](halved, args, mesh, group, True).memory_bytes
    assert held < 1.5 * SEEDS * size * 4 < COMPILERS["map"](halved, args, mesh, group, False).memory_bytes


def test_the_mesh_has_seeds_and_data_axes():
    assert dict(make_mesh(2, jax.devices()).shape) == {"seed": 4, "data": 2}


@pytest.mark.parametrize(("recurrence", "target"), [("pallas", "a TPU"), ("graph", "a GPU"), ("cudnn", "a GPU")])
def test_what_is_made_for_another_device_is_refused(recurrence, target):
    with pytest.raises(ConfigError, match=f"recurrence: {recurrence} is made for {target}, and this is a cpu"):
        Lift(Layout("loop", recurrence=recurrence), make_mesh(1, jax.devices()[:1]))


@pytest.mark.parametrize(
    ("mapper", "group", "refused"), [("vmap", 1, True), ("map", 2, True), ("map", 1, False), ("loop", 1, False)]
)
def test_what_has_no_seed_axis_computes_one_seed_at_a_time(mapper, group, refused, monkeypatch):
    monkeypatch.setitem(mappers._MADE_FOR, "cudnn", ("a GPU", ("cpu",)))
    layout, mesh = Layout(mapper, group, "cudnn"), make_mesh(1, jax.devices()[:1])
    if refused:
        with pytest.raises(ConfigError, match="cudnn computes one seed at a time; use map with group=1, or loop"):
            Lift(layout, mesh)
    else:
        assert Lift(layout, mesh).layout == layout


@pytest.mark.parametrize("donate", [False, True])
@pytest.mark.parametrize("mapper", ["map", "loop", "pmap"])
def test_what_cannot_be_batched_is_not(mapper, donate):
    @jax.custom_batching.custom_vmap
    def without_seed_axis(x):
        return 2 * x

    @without_seed_axis.def_vmap
    def _(*_):
        raise NotImplementedError

    mesh = make_mesh(1, jax.devices()[:2])
    state, data, shared = arguments(mesh)
    expected = 2 * np.array(state)
    compiled = COMPILERS[mapper](lambda s, *_: (without_seed_axis(s), s.sum()), (state, data, shared), mesh, 1, donate)
    np.testing.assert_array_equal(compiled(state, data, shared)[0], expected)
