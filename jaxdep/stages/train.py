"""Trains all seeds of one model at once, and writes what each of them learned and predicts."""

import time
from collections.abc import Callable, Iterable, Sequence

import jax
import numpy as np
import pandas as pd
from jaxtyping import Float

from input_pipeline.progress import progress
from jaxdep import interruption
from jaxdep.config import TrainStage
from jaxdep.config.settings import rows_of
from jaxdep.engine.checkpoints import Checkpoints, History
from jaxdep.engine.ensemble import Ensemble
from jaxdep.engine.processes import anywhere, are_several, meet
from jaxdep.engine.program import SeedState
from jaxdep.report.tensorboard import write_events
from jaxdep.stages import StageRun
from jaxdep.stages.predictions import lane_columns, predictions, write_variants
from jaxdep.stages.start import started
from jaxdep.stages.trained import checkpoint_folder, empty_history, gathered, make_ensemble, trained_seeds

Trained = tuple[Ensemble, SeedState, History]


def run(config: TrainStage, stage: StageRun) -> None:
    """Trains those seeds that are not trained yet, and writes what all of them learned and predict.

    Writes metrics.csv, predictions.csv, and TensorBoard's events of all seeds; of a sweep those of the variants that were
    chosen, and beside them metrics_variants.csv and predictions_variants.csv of all.

    Raises:
        ConfigError, TerminatedError, DataError: as `train`.
    """
    whole = train(config, stage)
    if whole is None:
        ensemble = make_ensemble(config, stage)
        whole = ensemble, *gathered(config, stage, ensemble)
    ensemble, states, history = whole
    chosen = _remember_training(config, stage, ensemble, states, history)
    _write_metrics(stage, ensemble, history, chosen)
    decided = predictions(
        config.tasks, stage, ensemble, states, further=config.further, score_windows=config.score_windows
    )
    for name, table in decided.items():
        stage.write_csv(name, table)
    if config.sweep:
        write_variants(config.task, stage, ensemble, states)


def train(config: TrainStage, stage: StageRun) -> Trained | None:
    """Trains those seeds that are not trained yet, from their last checkpoint on if there is one.

    Where several processes train together, each of them calls this.

    Returns:
        What all of them became, if they were trained together now, by this process alone; else it is in the checkpoints.

    Raises:
        ConfigError: the monitored metric does not exist, or the devices cannot be laid out as asked.
        TerminatedError: SIGTERM came; the last checkpoint holds what was trained.
        DataError: the splits cannot be made of this corpus.
    """
    whole: Trained | None = None
    for seeds in _missing(stage):
        some = stage.seeds.only(seeds)
        meet(stage.name)
        ensemble = make_ensemble(config, stage, some, together=True)
        seconds = _remember_ensemble(config, stage, ensemble)
        meet(stage.name)
        folder, every_s = checkpoint_folder(stage, seeds), config.training.checkpoint_every_s
        with (
            interruption.saving_to(folder) as is_wanted,
            Checkpoints(folder, every_s, stage.console.print, together=True) as checkpoints,
        ):
            states, history = _fit(config, stage, ensemble, checkpoints, is_wanted, seconds)
        stage.remember(trained=[*stage.record.get("trained", []), [seeds.start, len(seeds)]])
        if some.ids == stage.seeds.ids and not are_several():
            whole = ensemble, states, history
    return whole


def _missing(stage: StageRun) -> list[range]:
    """The seeds that are not trained yet, those in a row together."""
    done = {seed for seeds in trained_seeds(stage) for seed in seeds}
    return rows_of(seed for seed in stage.seeds.ids if seed not in done)


def _remember_ensemble(config: TrainStage, stage: StageRun, ensemble: Ensemble) -> float:
    """Notes the mapper, without which a resumed run might round otherwise. Returns the seconds trained before."""
    timings = {mapper: timing._asdict() for mapper, timing in ensemble.timings.items()}
    record, memory_bytes = stage.record, ensemble.memory_bytes(config.training.frozen_in(0))  # compiles
    stage.remember(
        mapper=ensemble.mapper,
        mapper_timings=timings or record.get("mapper_timings", {}),
        n_devices=jax.device_count(),
        compile_s=ensemble.compile_s,
        streamed=ensemble.streams,
        lower_is_better=ensemble.lower_is_better,
        chosen=[0] * len({lane.fold for lane in ensemble.lanes}),  # of a sweep, until all seeds have trained
        memory_gb=None if memory_bytes is None else memory_bytes / 1e9,
    )
    if ensemble.streams:
        stage.console.print(f"{stage.name}: the features stay on the host and are streamed")
    return float(record.get("train_s", 0.0))


def _fit(
    config: TrainStage,
    stage: StageRun,
    ensemble: Ensemble,
    checkpoints: Checkpoints,
    is_wanted: Callable[[], bool],
    seconds: float,
) -> tuple[SeedState, History]:
    epochs = config.training.epochs
    history = empty_history(config, ensemble, len(ensemble.lanes))
    saved = checkpoints.restore(ensemble.abstract_states, history)
    if saved is None:
        done, states = 0, started(config, stage, ensemble, ensemble.init())
    else:
        done, host_states, history = saved
        states = ensemble.restore(host_states)
        stage.console.print(f"{stage.name}: going on after epoch {done} of {epochs}")
    calls: Iterable[range] = _calls(config, done)
    if stage.told is None:  # else the process that keeps the record tells
        calls = progress(calls, epochs - done, _label(stage, ensemble), "epochs", size=len)
    for call in calls:
        begun, compiled_s = time.perf_counter(), ensemble.compile_s
        states, rows = ensemble.run(states, call.start, len(call), config.training.frozen_in(call.start))
        for name, values in rows.items():
            history[name][:, call.start : call.stop] = values
        seconds += time.perf_counter() - begun - (ensemble.compile_s - compiled_s)  # packed seeds compile anew
        all_ended = ensemble.all_ended(states)
        is_due, ends = anywhere(checkpoints.due(), is_wanted())
        if call.stop == epochs or all_ended or is_due or ends:
            checkpoints.save(call.stop, ensemble.snapshot(states), history)
            stage.remember(train_s=seconds)
        if ends:
            raise interruption.TerminatedError
        if all_ended:
            break
    return states, history


def _calls(config: TrainStage, done: int) -> list[range]:
    """The epochs of each call of the compiled program."""
    calls: list[range] = []
    while done < config.training.epochs:
        calls.append(range(done, config.training.call_after(done)))
        done = calls[-1].stop
    return calls


def _label(stage: StageRun, ensemble: Ensemble) -> str:
    counts = {name: len({getattr(lane, name) for lane in ensemble.lanes}) for name in ("seed", "fold", "variant")}
    told = " x ".join(f"{count} {name}s" for name, count in counts.items() if count > 1 or name == "seed")
    return f"training {stage.name}, {told}"


def _remember_training(
    config: TrainStage, stage: StageRun, ensemble: Ensemble, states: SeedState, history: History
) -> list[int]:
    """Notes what became of each seed, which variant was chosen in each fold, and the rate of training: epochs that lanes
    really ran, by second. Returns the choice."""
    final, lanes = ensemble.outcome(states), ensemble.lanes
    names = list(config.variants)
    scores = _validation_scores(config, ensemble, history)
    sound = np.where(final.diverged, np.nan, scores)
    folds = sorted({lane.fold for lane in lanes})
    means = np.array([[_mean(sound, ensemble, fold, variant) for variant in range(len(names))] for fold in folds])
    worst = np.inf if ensemble.lower_is_better else -np.inf
    ranked = np.where(np.isfinite(means), means, worst) * (1 if ensemble.lower_is_better else -1)
    chosen = [int(variant) for variant in ranked.argmin(1)]

    def diverged(wanted: Sequence[int]) -> list[int]:
        """The seeds that diverged in a fold, under that fold's variant of these."""
        lost = zip(lanes, final.diverged, strict=True)
        return sorted({lane.seed for lane, is_lost in lost if is_lost and lane.variant == wanted[lane.fold]})

    seed_epochs = int(np.isfinite(history["train/learning_rate_scale"]).sum())
    if config.sweep:  # who starts from the chosen values depends on them
        stage.remember(yields=f"{stage.record['lasting']} of values {chosen}")
    stage.remember(
        compile_s=ensemble.compile_s,
        chosen=chosen,
        variants={
            name: {
                "diverged": diverged([index] * len(folds)),
                "validation": [round(float(x), 6) if np.isfinite(x) else None for x in means[:, index]],
            }
            for index, name in enumerate(names)
        },
        diverged=diverged(chosen),
        stopped_early=int((final.stopped & ~final.diverged).sum()),
        best_epoch=(final.best_epoch + 1).tolist(),  # epochs count from 1, as in metrics.csv
        seed_epochs=seed_epochs,
        seed_epochs_per_s=seed_epochs / max(float(stage.record.get("train_s", 0.0)), 1e-9),
        remark=_choice(config, names, chosen),
    )
    return chosen


def _validation_scores(config: TrainStage, ensemble: Ensemble, history: History) -> Float[np.ndarray, " S"]:
    """The monitored metric of each lane at its reported epoch; NaN without a validation split."""
    values = history.get(f"validation/{config.training.monitor}")
    if values is None:
        return np.full(len(ensemble.lanes), np.nan)
    frame = pd.DataFrame(values).T
    if config.training.select == "last":
        return frame.ffill().iloc[-1].to_numpy()
    return (frame.min() if ensemble.lower_is_better else frame.max()).to_numpy()


def _mean(scores: Float[np.ndarray, " S"], ensemble: Ensemble, fold: int, variant: int) -> float:
    """Over the seeds that have a score."""
    found = [x for lane, x in zip(ensemble.lanes, scores, strict=True) if (lane.fold, lane.variant) == (fold, variant)]
    return float(pd.Series(found, dtype=float).mean())


def _choice(config: TrainStage, names: Sequence[str], chosen: Sequence[int]) -> str:
    if not config.sweep:
        return ""
    times = {names[variant]: chosen.count(variant) for variant in sorted(set(chosen))}
    told = "; ".join(f"{name} in {count} folds" if len(chosen) > 1 else name for name, count in times.items())
    split = config.data.called("validation")
    return f"Of {len(names)} combinations chosen by the mean {config.training.monitor} on {split}: {told}."


def _write_metrics(stage: StageRun, ensemble: Ensemble, history: History, chosen: Sequence[int]) -> None:
    """metrics.csv (seed, split, epoch, metric, value) and its TensorBoard events; epochs count from 1."""
    tables, columns = [], lane_columns(stage, ensemble)
    seeds = np.array([lane.seed for lane in ensemble.lanes])
    for name, values in history.items():
        split, metric = name.split("/")
        lane, epoch = np.nonzero(np.isfinite(values))
        table = pd.DataFrame({"seed": seeds[lane], "split": split, "epoch": epoch + 1, "metric": metric})
        of_rows = columns.iloc[lane].reset_index(drop=True)
        tables.append(pd.concat([table.assign(value=values[lane, epoch]), of_rows], axis=1))
    metrics = pd.concat(tables, ignore_index=True)
    if "variant" in metrics:
        stage.write_csv("metrics_variants.csv", metrics)
        fold = metrics["fold"] if "fold" in metrics else pd.Series(0, index=metrics.index)
        names = list(stage.record["variants"])
        metrics = metrics[metrics["variant"] == fold.map(lambda index: names[chosen[index]])]
    stage.write_csv("metrics.csv", metrics)
    write_events(stage.folder.parent.parent / "tensorboard" / stage.name, metrics)
