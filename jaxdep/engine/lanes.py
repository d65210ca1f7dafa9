"""What stands side by side on the seed axis: every seed, in every fold, under every variant of the hyperparameters."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from jaxdep import config
from jaxdep.engine.resident import Part, SeedData, SeedKeys, View, Viewer

Tree = Any

Tuned = TypeVar("Tuned", config.Optimizer, config.Training, config.Task)


class Lane(NamedTuple):
    """One training: a seed's global id, the fold that it tests, and the variant that it trains with."""

    seed: int
    fold: int = 0
    variant: int = 0


class Variant(NamedTuple):
    """Hyperparameters of a group of lanes.

    Attributes:
        tasks: as every variant's, but for what they say of class weights.
        settings: those numbers of the stage's config, by path, that differ between variants.
    """

    tasks: Mapping[str, config.Task]
    settings: Mapping[str, float]


def lanes_of(seeds: config.Seeds, folds: int, variants: int) -> tuple[Lane, ...]:
    """All lanes, the seeds of a fold one after another, the folds of a variant one after another."""
    return tuple(
        Lane(seed, fold, variant) for variant in range(variants) for fold in range(folds) for seed in seeds.ids
    )


def seed_keys(seeds: config.Seeds, ids: Sequence[int] | None = None) -> SeedKeys:
    """The four streams of the seeds with these ids (all of them in turn), [S]. One that does not vary is seed 0's."""
    root = jax.random.key(seeds.root, impl="threefry2x32")
    wanted = jnp.array(seeds.ids if ids is None else ids)

    def stream(index: int, name: str) -> PRNGKeyArray:
        of_ids = wanted if name in seeds.vary else jnp.zeros_like(wanted)
        return jax.vmap(lambda seed: jax.random.fold_in(jax.random.fold_in(root, seed), index))(of_ids)

    return SeedKeys(*(stream(index, name) for index, name in enumerate(config.STREAMS)))


def lane_views(lanes: Sequence[Lane], keys: SeedKeys, viewer: Viewer, variants: Sequence[Variant]) -> list[View]:
    """Each lane's view of the examples; lanes whose views are equal have one."""
    draws = np.asarray(jax.vmap(jax.random.bits)(keys.split))
    views = [viewer.view(int(draw), lane.fold) for lane, draw in zip(lanes, draws, strict=True)]
    weighted: dict[tuple[int, str], View] = {}
    for place, lane in enumerate(lanes):
        tasks = variants[lane.variant].tasks
        known = id(views[place]), repr({name: task.class_weights for name, task in tasks.items()})
        if known not in weighted:
            weighted[known] = views[place] if tasks == viewer.tasks else viewer.weighted(views[place], tasks)
        views[place] = weighted[known]
    return views


def lane_data(
    lanes: Sequence[Lane], keys: SeedKeys, views: Sequence[View], variants: Sequence[Variant], one_order: bool
) -> tuple[SeedData, SeedData]:
    """What differs between the lanes, [S, ...], and what is the same for all, on the way to `resident.joined`.

    So lanes that train on the same batches in one order read each batch once: the compiler sees one array, not S.

    Args:
        one_order: whether the order of the batches does not vary.
    """
    nothing: Any = None
    order = jax.tree.map(lambda key: key[0], keys.order) if one_order else nothing
    own_keys = keys._replace(order=nothing) if one_order else keys
    common_keys = SeedKeys(nothing, order, nothing, nothing)
    fields = [
        _parts([view.parts for view in views]),
        _alike([view.normalizers for view in views]),
        _alike([view.class_weights for view in views]),
        _settings([variants[lane.variant].settings for lane in lanes]),
    ]
    own, common = zip(*fields, strict=True)
    return SeedData(own_keys, *own), SeedData(common_keys, *common)


def tuned(section: Tuned, settings: Mapping[str, Array], path: str) -> Tuned:
    """A part of a stage's config with the lane's own numbers, which are traced, in place of those that differ.

    Args:
        path: of that part in the stage's config.
    """
    own: dict[str, Any] = {
        name.rpartition(".")[2]: value for name, value in settings.items() if name.rpartition(".")[0] == path
    }
    return dataclasses.replace(section, **own) if own else section


def _parts(of_lanes: Sequence[Mapping[str, Part]]) -> tuple[Tree, Tree]:
    """(each lane's own, common): parts that differ in length are filled up as not valid."""
    first = of_lanes[0]
    if all(parts is first for parts in of_lanes):
        return None, first
    stacked = {}
    for name in first:
        of_part = [parts[name] for parts in of_lanes]
        buckets = range(len(first[name].positions))
        stacked[name] = Part(
            positions=tuple(_stack([part.positions[b] for part in of_part], 0) for b in buckets),
            valid=tuple(_stack([part.valid[b] for part in of_part], False) for b in buckets),
            units=tuple(_stack([part.units[b] for part in of_part], 0) for b in buckets),
            targets={
                task: _stack([part.targets[task] for part in of_part], -1 if target.dtype.kind == "i" else np.nan)
                for task, target in first[name].targets.items()
            },
        )
    return stacked, None


def _alike(of_lanes: Sequence[Tree]) -> tuple[Tree, Tree]:
    """(each lane's own, common) of trees of arrays of the same shapes."""
    if all(tree is of_lanes[0] for tree in of_lanes):
        return None, of_lanes[0]
    return jax.tree.map(lambda *arrays: np.stack(arrays), *of_lanes), None


def _settings(of_lanes: Sequence[Mapping[str, float]]) -> tuple[Tree, Tree]:
    if not of_lanes[0]:
        return None, {}
    return {name: np.array([settings[name] for settings in of_lanes], np.float32) for name in of_lanes[0]}, None


def _stack(arrays: Sequence[Any], fill: float) -> Any:
    longest = max(map(len, arrays))
    return np.stack([np.pad(array, (0, longest - len(array)), constant_values=fill) for array in arrays])
