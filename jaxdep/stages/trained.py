"""What a stage trained: its seeds over their examples, restored from the checkpoints that hold them."""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from input_pipeline.errors import DataError
from jaxdep.config import Mapping, Seeds, Task, TrainStage
from jaxdep.config.sweep import number_at
from jaxdep.engine import training
from jaxdep.engine.checkpoints import Checkpoints, History
from jaxdep.engine.ensemble import Ensemble
from jaxdep.engine.lanes import Lane, Variant, lanes_of
from jaxdep.engine.processes import are_several
from jaxdep.engine.program import SeedState, Tree
from jaxdep.engine.resident import Viewer
from jaxdep.engine.sharing import quickest
from jaxdep.report.scores import read_metrics
from jaxdep.stages import OWN_VALIDATION, StageRun


def make_ensemble(
    config: TrainStage, stage: StageRun, seeds: Seeds | None = None, *, together: bool = False
) -> Ensemble:
    """The seeds of a stage over its examples, in all folds and variants; all of the experiment's unless others are given.

    Args:
        together: on the devices of all processes, which each make it; else on those of this one.
    """
    devices, mapping = (jax.devices() if together else jax.local_devices()), stage.mapping
    if are_several():
        shards = mapping.data_shards or 1  # each process would choose for itself
        mapping = dataclasses.replace(mapping, data_shards=shards if together else math.gcd(shards, len(devices)))
    viewer = Viewer(stage.examples, config.tasks, config.data.splits, config.data.unnormalized)
    variants = list(config.variants.values())
    varied = {
        path: numbers
        for path in config.sweep
        if (numbers := [x for variant in variants if (x := number_at(variant, path)) is not None])
    }
    seeds = seeds or stage.seeds

    def make(mapping: Mapping, devices: Sequence[jax.Device], remembered: str | None) -> Ensemble:
        program = training.build(
            config.model,
            {name: padded.values.shape[-1] for name, padded in stage.examples.buckets[0].features.items()},
            {task: stage.examples.classes[task] for task in config.tasks if task in stage.examples.classes},
            config.tasks,
            config.optimizer,
            config.training,
            recorded=config.metrics,
            varied=list(varied),
            data_axis="data",
            data_shards=mapping.data_shards,
        )
        return Ensemble(
            program,
            viewer,
            seeds,
            mapping,
            variants=[
                Variant(
                    _weighted(config.tasks, variant.tasks), {path: values[index] for path, values in varied.items()}
                )
                for index, variant in enumerate(variants)
            ],
            devices=devices,
            remembered=remembered,
            choices=None if are_several() else stage.choices,  # each process would remember its own
        )

    lanes = len(lanes_of(seeds, viewer.folds, len(variants)))
    batch_size = config.training.batch_size
    remembered = stage.record.get("mapper")
    return quickest(make, mapping, devices, lanes=lanes, batch_size=batch_size, remembered=remembered)


def restore(config: TrainStage, stage: StageRun, ids: Iterable[int] = ()) -> tuple[Ensemble, SeedState]:
    """The seeds that a finished stage trained, over the examples of `stage`, which may be others than they were.

    Args:
        ids: of the seeds that are wanted; all of them without any.

    Raises:
        DataError: its checkpoint is gone.
    """
    wanted = tuple(ids)
    ensemble = make_ensemble(config, stage, stage.seeds.only(wanted) if wanted else None)
    return ensemble, gathered(config, stage, ensemble)[0]


def gathered(config: TrainStage, stage: StageRun, ensemble: Ensemble) -> tuple[SeedState, History]:
    """The states and the history of an ensemble's lanes, from the checkpoints of the seeds that were trained together."""
    found: list[tuple[Tree, Tree]] = []
    there: list[Lane] = []
    wanted = set(ensemble.lanes)
    folds, variants = (len({getattr(lane, name) for lane in ensemble.lanes}) for name in ("fold", "variant"))
    for seeds in trained_seeds(stage):
        lanes = lanes_of(stage.seeds.only(seeds), folds, variants)
        if wanted.isdisjoint(lanes):
            continue
        shapes = _shapes(ensemble, len(lanes))
        folder = checkpoint_folder(stage, seeds)
        with Checkpoints(folder, config.training.checkpoint_every_s) as checkpoints:
            saved = checkpoints.restore_last(shapes, empty_history(config, ensemble, len(lanes)))
        if saved is None:
            raise DataError(f"{folder}: holds no checkpoint, or a damaged one; delete {stage.folder} and run it again")
        found.append(saved)
        there += lanes
    place = {lane: index for index, lane in enumerate(there)}  # chunks of a sweep may overlap
    order = np.array([place[lane] for lane in ensemble.lanes])
    states, history = jax.tree.map(lambda *parts: np.concatenate(parts)[order], *found)
    return ensemble.restore(states), history


def trained_seeds(stage: StageRun) -> list[range]:
    """The seeds that were trained together, as far as they have come to their end."""
    return [range(first, first + count) for first, count in stage.record.get("trained", [])]


def checkpoint_folder(stage: StageRun, seeds: range) -> Path:
    """Where the checkpoints of seeds that train together are."""
    return stage.folder / "checkpoints" / f"seeds_{seeds.start}-{seeds.stop - 1}"


def empty_history(config: TrainStage, ensemble: Ensemble, n_lanes: int) -> History:
    """The history before the first epoch."""
    return {name: np.full((n_lanes, config.training.epochs), np.nan, np.float32) for name in ensemble.history_names}


def trained_stage(trained: TrainStage, stage: StageRun) -> StageRun:
    """A stage that trained, over its own examples."""
    return dataclasses.replace(stage, examples=stage.sources.examples(trained.data, stage.features))


def chosen_seed(seed: int | None, trained: TrainStage, source: StageRun, field: str) -> int:
    """The global id of the seed that is meant: the one that is named, or the best by the monitored validation metric.

    Args:
        field: of the config, which asks.

    Raises:
        DataError: it was not trained, or diverged; or none has a validation score to be the best by.
    """
    diverged = set(source.record["diverged"])
    left = [one for one in source.seeds.ids if one not in diverged]
    if seed is not None:
        if seed not in left:
            raise DataError(f"{field}: {source.name!r} has no sound seed {seed}; it has {left}")
        return seed
    monitor = trained.training.monitor
    history = read_metrics(source.folder / "metrics.csv")
    history = history[(history["split"] == "validation") & (history["metric"] == monitor)]
    scores = history.pivot(index="seed", columns="epoch", values="value").reindex(left)
    if not scores.size or scores.isna().all(axis=None):
        raise DataError(f"{field}: {source.name!r} has no validation scores to choose the best seed by; give a number")
    lower = source.record["lower_is_better"]
    best = scores.ffill(axis=1).iloc[:, -1]
    if trained.training.select == "best":
        best = scores.min(axis=1) if lower else scores.max(axis=1)
    return left[int(np.nanargmin(best) if lower else np.nanargmax(best))]


def choice_remark(seed: int | None, trained: TrainStage, source: StageRun) -> str:
    """What must be known of the seed that `chosen_seed` gives; nothing of one that the config names."""
    is_unlike = seed is None and source.validates_by_seed(trained.data.splits)
    return OWN_VALIDATION if is_unlike else ""


def lane_of(seed: int, ensemble: Ensemble, source: StageRun, fold: int = 0) -> int:
    """The place of a seed in a fold, under the variant that was chosen there."""
    return ensemble.lanes.index(Lane(seed, fold, source.record["chosen"][fold]))


def _shapes(ensemble: Ensemble, n_lanes: int) -> SeedState:
    """Of the states of so many lanes."""
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct((n_lanes, *x.shape[1:]), x.dtype), ensemble.abstract_states)


def _weighted(tasks: Any, others: Any) -> dict[str, Task]:
    """The tasks with the class weights of others: what a variant changes besides numbers."""
    return {name: dataclasses.replace(task, class_weights=others[name].class_weights) for name, task in tasks.items()}
