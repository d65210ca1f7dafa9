"""Several processes, mostly one a host, that train one ensemble together (`jax.distributed`): arrays that lie on the devices
of all of them, and what they must agree on.

All run the same program, so each function here that says so is called by all of them, in the same order. With one process
they cost nothing.
"""

import itertools
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import NamedSharding, PartitionSpec
from orbax.checkpoint import multihost

_PATIENCE_MS = 24 * 3600 * 1000  # somebody may be extracting features
_meetings = itertools.count()  # a barrier's name is used once
Tree = Any
Number = TypeVar("Number", bool, int, float)


def are_several() -> bool:
    """Whether this process trains with others."""
    return jax.process_count() > 1


def is_first() -> bool:
    """Whether this process writes what all of them made, since somebody must."""
    return jax.process_index() == 0


def placed(tree: Tree, sharding: NamedSharding) -> Tree:
    """Arrays as a sharding says. What every process has as a whole, each puts on its own devices."""
    if sharding.is_fully_addressable:
        return jax.device_put(tree, sharding)
    return jax.tree.map(lambda x: _placed_in_part(x, sharding), tree)


def fetched(tree: Tree) -> Tree:
    """Arrays as numpy arrays. Where they lie on devices of several processes, called by all, and all get the whole."""
    if _lie_here(tree):
        return jax.device_get(tree)
    return jax.tree.map(lambda x: x if _lie_here(x) else multihost_utils.process_allgather(x, tiled=True), tree)


def trimmed(tree: Tree, count: int) -> Tree:
    """Copies of the first `count` rows, for a checkpoint: numpy arrays, or arrays of all processes, who write them together."""
    if _lie_here(tree):
        # On a CPU the host's view of an array is the device's buffer, which a later donation would overwrite: copy.
        return jax.tree.map(lambda x: np.array(x[:count]), jax.device_get(tree))
    mesh = jax.tree.leaves(tree)[0].sharding.mesh
    axis = None if count % mesh.shape["seed"] else "seed"
    return jax.jit(
        lambda tree: jax.tree.map(lambda x: x[:count], tree), out_shardings=NamedSharding(mesh, PartitionSpec(axis))
    )(tree)


def meet(place: str) -> None:
    """Waits for the other processes, however long they take; called by all.

    What they compute together waits half a minute on a CPU, and compiling takes some longer than others.
    """
    if are_several():
        barrier = multihost.get_barrier_sync_fn()
        barrier(key=f"jaxdep/{place}/{next(_meetings)}", timeout_ms=_PATIENCE_MS)


def agreed(number: Number) -> Number:
    """The first process's number; called by all."""
    if not are_several():
        return number
    return type(number)(multihost_utils.broadcast_one_to_all(np.asarray(number)))


def anywhere(*flags: bool) -> list[bool]:
    """By flag, whether any process has set it; called by all."""
    if not are_several():
        return list(flags)
    of_all = np.reshape(multihost_utils.process_allgather(np.array(flags)), (-1, len(flags)))
    return [bool(of_all[:, index].any()) for index in range(len(flags))]


def _placed_in_part(x: Any, sharding: NamedSharding) -> jax.Array:
    if hasattr(x, "dtype") and jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key):
        data = _placed_in_part(jax.random.key_data(x), sharding)
        return jax.random.wrap_key_data(data, impl=jax.random.key_impl(x))
    whole = np.asarray(x)
    return jax.make_array_from_callback(whole.shape, sharding, lambda index: whole[index])


def _lie_here(tree: Tree) -> bool:
    """Whether this process has all of every array."""
    return all(not isinstance(x, jax.Array) or x.is_fully_addressable for x in jax.tree.leaves(tree))
