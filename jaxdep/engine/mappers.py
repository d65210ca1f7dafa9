"""How a function of one seed becomes a compiled one over all seeds, [S, ...], of all devices.

A compiler takes (function, arguments or their shapes, mesh, seeds at a time, whether to donate the states, options of
XLA's). The arguments are (states, own, shared), the first two with a seed axis that is sharded over the mesh's `seed` axis,
the last one replicated. A function whose states are donated yields (new state, whatever else), and the new states lie where
the old ones did. What a mapper yields agrees with any other's to rounding.
"""

import dataclasses
import re
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from input_pipeline.config import ConfigError
from jaxdep.engine.resident import joined
from jaxdep.models.layers.recurrent import LSTM_SCANS, computed_by

Tree = Any
Arguments = Mapping[str, Tree]
Options = Mapping[str, str | int]
OneSeed = Callable[..., Tree]  # (state, own, shared) of one seed -> what it yields

_SEEDS, _EVERYWHERE = PartitionSpec("seed"), PartitionSpec()
_GPU = ("gpu", "cuda")
_MADE_FOR = {"pallas": ("a TPU", ("tpu",)), "graph": ("a GPU", _GPU), "cudnn": ("a GPU", _GPU)}  # by recurrence
ONE_BY_ONE = {"cudnn"}  # recurrences that have no seed axis
# Loops too become part of CUDA graphs, however few kernels there are beside them. What stands before WHILE is XLA's default.
_RECORDED: Options = {
    "xla_gpu_enable_command_buffer": "FUSION,CUBLAS,CUBLASLT,CUSTOM_CALL,CUDNN,DYNAMIC_SLICE_FUSION,WHILE,CONDITIONAL",
    "xla_gpu_graph_min_graph_size": 1,
}
_OPTIONS: dict[str, Options] = {"graph": _RECORDED}  # by recurrence


@dataclasses.dataclass(frozen=True)
class Lifted:
    """A compiled function over all seeds.

    Attributes:
        call: (states, own, shared) -> what it yields, [S, ...].
        executable: what XLA compiled: the whole, or under `loop` the call of one seed a device.
    """

    call: OneSeed
    executable: Any

    def __call__(self, states: Tree, own: Arguments, shared: Arguments) -> Tree:
        return self.call(states, own, shared)

    @property
    def memory_bytes(self) -> int | None:
        """What a call needs on one device, its arguments and results included, by XLA's plan; None if it tells none."""
        plan = self.executable.memory_analysis()
        if plan is None:
            return None
        held = plan.argument_size_in_bytes + plan.output_size_in_bytes - plan.alias_size_in_bytes
        return int(held + plan.temp_size_in_bytes)


def _over_vmap(fn: OneSeed, group: int = 1, donate: bool = False) -> OneSeed:
    return lambda states, own, shared: jax.vmap(fn, in_axes=(0, 0, None))(states, own, shared)


def _over_map(fn: OneSeed, group: int, donate: bool) -> OneSeed:
    def mapped(states: Tree, own: Arguments, shared: Arguments) -> Tree:
        return lax.map(lambda one: fn(*one, shared), (states, own), batch_size=group if group > 1 else None)

    return _over_map_in_place(fn, group) if donate else mapped


def _over_map_in_place(fn: OneSeed, group: int) -> OneSeed:
    """`lax.map` would hold the states of all seeds twice, as what it reads and as what it gathers."""
    over = _of_one(fn) if group == 1 else _over_vmap(fn)

    def mapped(states: Tree, own: Arguments, shared: Arguments) -> Tree:
        _, further = jax.eval_shape(_over_map(fn, 1, donate=False), states, own, shared)
        held = states, jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), further)
        seeds = jax.tree.leaves(states)[0].shape[0]
        size = min(group, seeds)  # of seeds that are left there may be fewer

        def step(held: Tree, first: Any, count: int) -> Tree:
            of_group = jax.tree.map(lambda x: lax.dynamic_slice_in_dim(x, first, count), (held[0], own))
            results = over(*of_group, shared)
            return jax.tree.map(lambda all_, x: lax.dynamic_update_slice_in_dim(all_, x, first, 0), held, results)

        held = lax.fori_loop(0, seeds // size, lambda i, held: step(held, i * size, size), held)
        remain = seeds % size
        return step(held, seeds - remain, remain) if remain else held

    return mapped


def _of_one(fn: OneSeed) -> OneSeed:
    """The function of an axis of one seed."""

    def over(states: Tree, own: Arguments, shared: Arguments) -> Tree:
        state, of_seed = jax.tree.map(lambda x: x[0], (states, own))
        return jax.tree.map(lambda x: x[None], fn(state, of_seed, shared))

    return over


def _compile_sharded(
    over: Callable[[OneSeed, int, bool], OneSeed],
    fn: OneSeed,
    args: Tree,
    mesh: Mesh,
    group: int,
    donate: bool,
    options: Options | None = None,
) -> Lifted:
    sharded = jax.shard_map(
        over(fn, group, donate), mesh=mesh, in_specs=(_SEEDS, _SEEDS, _EVERYWHERE), out_specs=_SEEDS, check_vma=False
    )
    executable = jax.jit(sharded, donate_argnums=(0,) if donate else ()).lower(*args).compile(_given(options))
    return Lifted(executable, executable)


def _compile_loop(
    fn: OneSeed, args: Tree, mesh: Mesh, group: int, donate: bool, options: Options | None = None
) -> Lifted:
    """One compiled call trains one seed of each device; the results gather in a donated buffer."""

    def one(results: Tree, index: jax.Array, states: Tree, own: Arguments, shared: Arguments) -> Tree:
        of_seed = jax.tree.map(lambda x: lax.dynamic_index_in_dim(x, index, keepdims=False), (states, own))
        result = fn(*of_seed, shared)
        return jax.tree.map(lambda all_, x: lax.dynamic_update_index_in_dim(all_, x, index, 0), results, result)

    sharded = jax.shard_map(
        one, mesh=mesh, in_specs=(_SEEDS, _EVERYWHERE, _SEEDS, _SEEDS, _EVERYWHERE), out_specs=_SEEDS, check_vma=False
    )
    in_all = jax.shard_map(  # where devices share batches, the function asks which of them it is on
        _over_map(fn, 1, donate=False),
        mesh=mesh,
        in_specs=(_SEEDS, _SEEDS, _EVERYWHERE),
        out_specs=_SEEDS,
        check_vma=False,
    )
    shapes = jax.eval_shape(in_all, *args)
    sharding = NamedSharding(mesh, _SEEDS)

    def empty() -> Tree:
        return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)

    make_results = jax.jit(empty, out_shardings=sharding).lower().compile()
    index = jax.ShapeDtypeStruct((), np.int32)
    buffers = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding), shapes)
    step = jax.jit(sharded, donate_argnums=0).lower(buffers, index, *args).compile(_given(options))
    n_local = jax.tree.leaves(shapes)[0].shape[0] // mesh.shape["seed"]

    def looped(states: Tree, own: Arguments, shared: Arguments) -> Tree:
        results = make_results()
        for index in range(n_local):
            results = step(results, np.int32(index), states, own, shared)
        return results

    return Lifted(looped, step)


def _compile_pmap(
    fn: OneSeed, args: Tree, mesh: Mesh, group: int, donate: bool, options: Options | None = None
) -> Lifted:
    n_shards, sharding = mesh.shape["seed"], NamedSharding(mesh, _SEEDS)
    lifted = jax.pmap(
        _over_map(fn, group, donate),
        in_axes=(0, 0, None),
        devices=list(mesh.devices.flat),
        donate_argnums=(0,) if donate else (),
    )

    def split(tree: Tree) -> Tree:
        return jax.tree.map(lambda x: x.reshape(n_shards, -1, *x.shape[1:]), tree)

    compiled = lifted.lower(*jax.eval_shape(split, args[:2]), args[2]).compile(_given(options))

    def mapped(states: Tree, own: Arguments, shared: Arguments) -> Tree:
        results = compiled(*split((states, own)), shared)
        return jax.device_put(jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), results), sharding)

    return Lifted(mapped, compiled)


def _given(options: Options | None) -> dict[str, Any] | None:
    return dict(options) if options else None


COMPILERS: dict[str, Callable[..., Lifted]] = {
    "vmap": partial(_compile_sharded, _over_vmap),
    "map": partial(_compile_sharded, _over_map),
    "loop": _compile_loop,
    "pmap": _compile_pmap,
}


_NAME = re.compile(r"(\w+)(?::(\d+))?(?:/(\d+))?(?: (\w+))?")


class Layout(NamedTuple):
    """How all seeds are computed.

    Attributes:
        group: seeds of a device at a time, where that is a choice (`map`, `pmap`).
        recurrence: how the recurrent layers make their steps (models/layers/recurrent.py).
        shards: devices that share a batch.
    """

    mapper: str
    group: int = 1
    recurrence: str = "scan"
    shards: int = 1

    @property
    def side_by_side(self) -> bool:
        """Whether several seeds of a device are computed as one, so that none can be skipped."""
        return self.mapper == "vmap" or self.group > 1

    def __str__(self) -> str:
        group = "" if self.group == 1 else f":{self.group}"
        shards = "" if self.shards == 1 else f"/{self.shards}"
        return self.mapper + group + shards + ("" if self.recurrence == "scan" else f" {self.recurrence}")


def named(name: str) -> Layout | None:
    """The layout that says so of itself: `vmap`, `map:64`, `map:64/2 pallas`; None where none does."""
    found = _NAME.fullmatch(name)
    if not found or found[1] not in COMPILERS or found[4] not in (None, *LSTM_SCANS):
        return None
    return Layout(found[1], int(found[2] or 1), found[4] or "scan", int(found[3] or 1))


def _by_name(fn: Callable[..., Tree]) -> OneSeed:
    def call(state: Tree, own: Arguments, shared: Arguments) -> Tree:
        arguments = {**shared, **own}
        if "seed" in own:
            arguments["seed"] = joined(own["seed"], shared["seed"])
        return fn(*(() if state is None else (state,)), **arguments)

    return call


class Lift:
    """Lifts functions of one seed over all seeds in one layout, and counts what compiling takes.

    Attributes:
        layout, compile_s: how, and seconds so far.

    Raises:
        ConfigError: the layout does not fit the mesh.
    """

    def __init__(self, layout: Layout, mesh: Mesh):
        if layout.mapper == "pmap" and mesh.shape["data"] > 1:
            raise ConfigError("config.mapping.mapper: pmap does not share batches; use vmap or map with data_shards")
        if layout.mapper == "pmap" and mesh.is_multi_process:
            raise ConfigError("config.mapping.mapper: pmap is for the devices of one process; use vmap or map")
        platform = mesh.devices.flat[0].platform
        target, platforms = _MADE_FOR.get(layout.recurrence, ("any", (platform,)))
        if platform not in platforms:
            raise ConfigError(
                f"config.mapping.recurrence: {layout.recurrence} is made for {target}, and this is a {platform}"
            )
        if layout.recurrence in ONE_BY_ONE and layout.side_by_side:
            raise ConfigError(
                f"config.mapping.recurrence: {layout.recurrence} computes one seed at a time; use map with group=1, or loop"
            )
        self.layout, self.compile_s = layout, 0.0
        self._mesh = mesh

    def __call__(
        self, fn: Callable[..., Tree], states: Tree, own: Arguments, shared: Arguments, donate: bool = False
    ) -> Lifted:
        """Compiles a function of one seed for arguments of such shapes.

        Args:
            fn: takes one seed's part of `states` first (nothing, where they are None), and all else by name.
            own: what each seed has of its own, [S, ...].
            shared: what is the same for all. The `seed` (`SeedData`) stands in both, and is joined.
            donate: the function yields (new state, whatever else), and the states are given up for the new ones.
        """
        started, (mapper, group, recurrence, _) = time.perf_counter(), self.layout
        with computed_by(recurrence):
            options = _OPTIONS.get(recurrence)
            lifted = COMPILERS[mapper](_by_name(fn), (states, own, shared), self._mesh, group, donate, options)
        self.compile_s += time.perf_counter() - started
        return lifted
