"""Trains all seeds of one model at once, and writes what each of them learned and predicts."""

import time
from collections.abc import Iterable, Sequence

import jax
import numpy as np
import pandas as pd

from input_pipeline.errors import DataError
from input_pipeline.progress import progress
from jaxdep.config import Further, TrainStage
from jaxdep.config.rows import PREDICTIONS, WINDOW_PREDICTIONS, predictions_file
from jaxdep.engine import training
from jaxdep.engine.checkpoints import Checkpoints, History
from jaxdep.engine.ensemble import Ensemble
from jaxdep.engine.program import SeedState
from jaxdep.engine.resident import Viewer
from jaxdep.report.tensorboard import write_events
from jaxdep.stages import PREDICTION_COLUMNS, StageRun


def run(config: TrainStage, stage: StageRun) -> None:
    """Trains, or goes on from the last checkpoint; writes metrics.csv, predictions.csv, TensorBoard events.

    Raises:
        ConfigError: the monitored metric does not exist, or the devices cannot be laid out as asked.
        DataError: the splits cannot be made of this corpus.
    """
    ensemble = make_ensemble(config, stage)
    seconds = _remember_ensemble(stage, ensemble)
    with Checkpoints(stage.folder / "checkpoints", config.training.checkpoint_every_s) as checkpoints:
        states, history = _fit(config, stage, ensemble, checkpoints, seconds)
    _remember_training(stage, ensemble, states, history)
    _write_metrics(stage, ensemble, history)
    write_predictions(config.tasks, stage, ensemble, states, further=config.further, score_windows=config.score_windows)


def restore(config: TrainStage, stage: StageRun) -> tuple[Ensemble, SeedState]:
    """The seeds that a finished stage trained, over the examples of `stage`, which may be others than they were.

    Raises:
        DataError: its checkpoint is gone.
    """
    ensemble = make_ensemble(config, stage)
    with Checkpoints(stage.folder / "checkpoints", config.training.checkpoint_every_s) as checkpoints:
        saved = checkpoints.restore(ensemble.abstract_states, _empty_history(config, ensemble))
    if saved is None:
        raise DataError(f"{stage.folder / 'checkpoints'}: holds no checkpoint; delete {stage.folder} and run it again")
    return ensemble, ensemble.restore(saved[1])


def write_predictions(
    tasks: Iterable[str],
    stage: StageRun,
    ensemble: Ensemble,
    states: SeedState,
    *,
    further: Sequence[Further] = (),
    score_windows: bool = False,
) -> None:
    """predictions.csv of the first task, predictions_<task>.csv of any further one; without the diverged seeds.

    Args:
        further: decisions that are compared with another label, in predictions_<label>.csv.
        score_windows: whether predictions_windows.csv has the first task's decisions on the single examples.

    Raises:
        ConfigError: the corpus has no such label, or one of another kind.
    """
    diverged = set(stage.record["diverged"])
    kept = [(index, int(seed)) for index, seed in enumerate(ensemble.ids) if seed not in diverged]
    first = next(iter(tasks))
    compared = {task: task for task in tasks} | {row.against: row.task for row in further}
    tables: dict[str, list[pd.DataFrame]] = {}
    for part in ("validation", "test"):
        if part not in ensemble.units[0]:
            continue
        decided, rows = jax.tree.map(np.asarray, ensemble.predict(states, part)), ensemble.rows(part)
        for label, task in compared.items():
            units = decided[task].units
            nobody = np.zeros(0, int), units[0, :0]
            of_label = tables.setdefault(predictions_file(label, first), [])
            of_label.append(stage.predictions(label, part, 0, *nobody))  # the columns, should all seeds have diverged
            for index, seed in kept:
                groups = ensemble.units[index][part].groups
                of_label.append(stage.predictions(label, part, seed, groups, units[index, : len(groups)]))
        if score_windows:
            examples = decided[first].examples
            of_windows = tables.setdefault(WINDOW_PREDICTIONS, [])
            of_windows.append(stage.window_predictions(first, part, 0, np.zeros(0, int), examples[0, :0]))
            for index, seed in kept:
                there = rows[index] >= 0
                of_windows.append(
                    stage.window_predictions(first, part, seed, rows[index, there], examples[index, there])
                )
    for name, found in (tables or {PREDICTIONS: [pd.DataFrame(columns=PREDICTION_COLUMNS)]}).items():
        stage.write_csv(name, pd.concat(found, ignore_index=True))


def make_ensemble(config: TrainStage, stage: StageRun) -> Ensemble:
    """The seeds of a stage over its examples."""
    viewer = Viewer(stage.examples, config.tasks, config.data.splits, config.data.unnormalized)
    program = training.build(
        config.model,
        {name: padded.values.shape[-1] for name, padded in stage.examples.buckets[0].features.items()},
        {task: stage.examples.classes[task] for task in config.tasks if task in stage.examples.classes},
        config.tasks,
        config.optimizer,
        config.training,
        recorded=config.metrics,
        data_axis="data",
        data_shards=stage.mapping.data_shards,
    )
    return Ensemble(
        program, viewer, stage.seeds, stage.mapping, remembered=stage.record.get("mapper"), choices=stage.choices
    )


def _remember_ensemble(stage: StageRun, ensemble: Ensemble) -> float:
    """Notes the mapper, without which a resumed run might round otherwise. Returns the seconds trained before."""
    timings = {mapper: timing._asdict() for mapper, timing in ensemble.timings.items()}
    record, memory_bytes = stage.record, ensemble.memory_bytes  # compiles
    stage.remember(
        mapper=ensemble.mapper,
        mapper_timings=timings or record.get("mapper_timings", {}),
        n_devices=jax.device_count(),
        compile_s=ensemble.compile_s,
        streamed=ensemble.streams,
        memory_gb=None if memory_bytes is None else memory_bytes / 1e9,
    )
    if ensemble.streams:
        stage.console.print(f"{stage.name}: the features stay on the host and are streamed")
    return float(record.get("train_s", 0.0))


def _fit(
    config: TrainStage, stage: StageRun, ensemble: Ensemble, checkpoints: Checkpoints, seconds: float
) -> tuple[SeedState, History]:
    epochs, per_call = config.training.epochs, config.training.epochs_per_call
    history = _empty_history(config, ensemble)
    saved = checkpoints.restore(ensemble.abstract_states, history)
    if saved is None:
        done, states = 0, ensemble.init()
    else:
        done, host_states, history = saved
        states = ensemble.restore(host_states)
        stage.console.print(f"{stage.name}: going on after epoch {done} of {epochs}")
    calls = [range(first, min(first + per_call, epochs)) for first in range(done, epochs, per_call)]
    label = f"training {stage.name}, {len(ensemble.ids)} seeds"
    for call in progress(calls, epochs - done, label, "epochs", size=len):
        started, compiled_s = time.perf_counter(), ensemble.compile_s
        states, rows = ensemble.run(states, call.start, len(call))
        for name, values in rows.items():
            history[name][:, call.start : call.stop] = values
        seconds += time.perf_counter() - started - (ensemble.compile_s - compiled_s)  # packed seeds compile anew
        all_ended = ensemble.all_ended(states)
        if call.stop == epochs or all_ended or checkpoints.due():
            checkpoints.save(call.stop, ensemble.fetch(states), history)
            stage.remember(train_s=seconds)
        if all_ended:
            break
    return states, history


def _empty_history(config: TrainStage, ensemble: Ensemble) -> History:
    shape = len(ensemble.ids), config.training.epochs
    return {name: np.full(shape, np.nan, np.float32) for name in ensemble.history_names}


def _remember_training(stage: StageRun, ensemble: Ensemble, states: SeedState, history: History) -> None:
    """Notes what became of each seed, and the rate of training: epochs that seeds really ran, by second."""
    final = ensemble.outcome(states)
    seed_epochs = int(np.isfinite(history["train/learning_rate_scale"]).sum())
    stage.remember(
        compile_s=ensemble.compile_s,
        diverged=ensemble.ids[final.diverged].tolist(),
        stopped_early=int((final.stopped & ~final.diverged).sum()),
        best_epoch=(final.best_epoch + 1).tolist(),  # epochs count from 1, as in metrics.csv
        seed_epochs=seed_epochs,
        seed_epochs_per_s=seed_epochs / max(float(stage.record.get("train_s", 0.0)), 1e-9),
    )


def _write_metrics(stage: StageRun, ensemble: Ensemble, history: History) -> None:
    """metrics.csv (seed, split, epoch, metric, value) and its TensorBoard events; epochs count from 1."""
    tables = []
    for name, values in history.items():
        split, metric = name.split("/")
        seed, epoch = np.nonzero(np.isfinite(values))
        table = pd.DataFrame({"seed": ensemble.ids[seed], "split": split, "epoch": epoch + 1, "metric": metric})
        tables.append(table.assign(value=values[seed, epoch]))
    metrics = pd.concat(tables, ignore_index=True)
    stage.write_csv("metrics.csv", metrics)
    write_events(stage.folder.parent.parent / "tensorboard" / stage.name, metrics)
