"""Applies one seed of a trained model to every segment of other recordings: features for further stages, and outputs."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
import pandas as pd
from jaxtyping import Float, Float32, Int

from input_pipeline import batching, builder
from input_pipeline.batching import Stored
from input_pipeline.builder import Description
from input_pipeline.config import ConfigError
from input_pipeline.errors import DataError
from input_pipeline.features import Extracted
from input_pipeline.left_out import counted
from input_pipeline.progress import progress
from jaxdep.config import ExtractStage, Task, TrainStage
from jaxdep.engine.ensemble import Responder
from jaxdep.models import Masked
from jaxdep.stages import StageRun
from jaxdep.stages.sources import FEATURES
from jaxdep.stages.trained import choice_remark, chosen_seed, lane_of, restore, trained_stage

OUTPUTS = "outputs.csv"
KEYS = ["recording", "participant", "split", "segment", "start_s", "stop_s"]  # its columns before the decisions
_SEGMENTS_AT_ONCE, _FRAMES = 256, 64


class Responses(NamedTuple):
    """What a model says of segments: `layer` [n, D]; by task [n, classes] probabilities, or [n, 1] scores."""

    layer: Float32[np.ndarray, "n D"]
    decisions: Mapping[str, Float[np.ndarray, "n outputs"]]


def run(config: ExtractStage, stage: StageRun) -> None:
    """Writes the feature set (features/) and, segment by segment, what the model decides (outputs.csv).

    Raises:
        ConfigError: the model has no such layer.
        DataError: the features have not the same segments; there is no such seed, or its checkpoint is gone.
    """
    trained = stage.stages[config.of]
    assert isinstance(trained, TrainStage)  # ExtractStage.check_need
    source = trained_stage(trained, stage.other(config.of))
    seed = chosen_seed(config.seed, trained, source, f"stages.{stage.name}.seed")
    ensemble, states = restore(trained, source, [seed])
    classes = {task: source.examples.classes[task] for task in trained.tasks if task in source.examples.classes}
    sets = stage.sources.feature_sets(config.data, stage.features)
    recordings = batching.aligned(sets)
    segments = {
        name: _Segments(recordings[name], trained.data.arrangements[name].max_frames) for name in trained.model.takes()
    }
    respond = ensemble.responder(states, lane_of(seed, ensemble, source))
    found = _responses(config, stage, respond, segments, trained.tasks)
    first = next(iter(recordings.values()))
    bounds = np.cumsum([len(recording.lengths) for recording in first])[:-1]
    left_out = tuple(
        one if one.feature else one._replace(feature=name)
        for name, of_one in segments.items()
        for one in (*sets[name].description.left_out, *of_one.left_out)
    )
    description = dataclasses.replace(next(iter(sets.values())).description, left_out=left_out)
    _write_features(config, stage, seed, description, first, np.split(found.layer, bounds))
    decisions = {task: np.split(values, bounds) for task, values in found.decisions.items()}
    stage.write_csv(OUTPUTS, _outputs(first, decisions, classes))
    # Further seeds may be trained without another one being the best: then nothing that is made of this changes.
    yields = f"{stage.record['lasting']} of seed {seed}"
    remark = choice_remark(config.seed, trained, source)
    # `data.arrangements` have no part here, so that what they would cut is not what was.
    data = stage.record.get("data", {}) | {"left_out": [one._asdict() for one in left_out]}
    stage.remember(seed=seed, remark=remark, yields=yields, data=data)


def read_outputs(stage: StageRun) -> pd.DataFrame:
    """outputs.csv of a stage: `KEYS`, and of each task <task>:<class> or <task>. Raises DataError where it is damaged."""
    path = stage.folder / OUTPUTS
    try:
        return pd.read_csv(path, dtype=dict.fromkeys(KEYS[:3], str), keep_default_na=False)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: no outputs ({reason}); delete the stage's folder and run it again") from None


class _Segments:
    """One feature of all segments of all recordings, one after another.

    A segment has at most `max_frames` frames (0: all), as the examples have that the model learnt from.
    """

    def __init__(self, recordings: Sequence[Stored], max_frames: int):
        self._recordings = recordings
        lengths = [recording.lengths for recording in recordings]
        self._recording = np.repeat(np.arange(len(recordings)), [len(of_one) for of_one in lengths])
        self._start = np.concatenate([np.cumsum(of_one) - of_one for of_one in lengths])
        limit = max_frames or np.iinfo(np.int32).max
        self.lengths = np.minimum(np.concatenate(lengths), limit)
        cut = ((int(np.maximum(of_one - limit, 0).sum()), int(of_one.sum())) for of_one in lengths)
        self.left_out = counted("frames", f"are cut by max_frames={max_frames}", cut)

    def padded(self, rows: Int[np.ndarray, " B"]) -> Masked:
        """[B, T, D], T a multiple of `_FRAMES`, so that few shapes are compiled."""
        longest = -(-max(1, int(self.lengths[rows].max())) // _FRAMES) * _FRAMES
        mask: Any = np.arange(longest) < self.lengths[rows, None]
        frames = self._recordings[0].values
        values: Any = np.zeros((*mask.shape, *frames.shape[1:]), frames.dtype)
        for place, row in enumerate(rows):
            start, length = self._start[row], self.lengths[row]
            values[place, :length] = self._recordings[self._recording[row]].values[start : start + length]
        return Masked(values, mask)


def _responses(
    config: ExtractStage,
    stage: StageRun,
    respond: Responder,
    features: Mapping[str, _Segments],
    tasks: Mapping[str, Task],
) -> Responses:
    """What the model says of all segments of all recordings."""
    order = np.argsort(next(iter(features.values())).lengths, kind="stable")  # of like length: padded least
    batches = [order[start : start + _SEGMENTS_AT_ONCE] for start in range(0, len(order), _SEGMENTS_AT_ONCE)]
    parts = []
    for rows in progress(batches, len(order), f"extracting {config.layer} of {config.of}", "segments", size=len):
        filled = np.pad(rows, (0, _SEGMENTS_AT_ONCE - len(rows)), mode="edge")
        outputs = respond({name: one.padded(filled) for name, one in features.items()})
        if config.layer not in outputs.intermediates:
            known = ", ".join(outputs.intermediates)
            raise ConfigError(f"stages.{stage.name}.layer: the model has no {config.layer!r}; it has {known}")
        decisions = {task: tasks[task].loss.decision(logits) for task, logits in outputs.logits.items()}
        said = Responses(outputs.intermediates[config.layer], decisions)  # type: ignore[arg-type]
        parts.append(jax.tree.map(partial(_first, len(rows)), said))
    back = np.argsort(order)
    return jax.tree.map(lambda *of_batches: np.concatenate(of_batches)[back], *parts)


def _first(count: int, values: Any) -> np.ndarray:
    return np.asarray(values)[:count]


def _write_features(
    config: ExtractStage,
    stage: StageRun,
    seed: int,
    description: Description,
    recordings: Sequence[Stored],
    layers: Sequence[Float32[np.ndarray, "U D"]],
) -> None:
    content = {"stage": stage.record["lasting"], "seed": seed, "of": config.of}
    description = dataclasses.replace(
        description,
        feature=Extracted(stage=stage.name).compact(),
        version=Extracted.version,
        shape=layers[0].shape[1:],
        dtype="float32",
        fingerprint=hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=16).hexdigest(),
        file_format=config.data.file_format,
    )
    examples = (
        recording._replace(values=layer, lengths=np.ones(len(layer), np.int32))._asdict()
        for recording, layer in zip(recordings, layers, strict=True)
    )
    builder.store(description, examples, stage.folder / FEATURES)


def _outputs(
    recordings: Sequence[Stored], decisions: Mapping[str, Sequence[np.ndarray]], classes: Mapping[str, tuple[str, ...]]
) -> pd.DataFrame:
    """One row a segment, as `read_outputs` gives it."""
    tables = []
    for index, recording in enumerate(recordings):
        segment = np.arange(len(recording.lengths)), recording.starts_s, recording.stops_s
        keys = recording.id, recording.participant, recording.split, *segment
        table = pd.DataFrame(dict(zip(KEYS, keys, strict=True)))
        for task, values in decisions.items():
            names = [f"{task}:{name}" for name in classes[task]] if task in classes else [task]
            table[names] = values[index]
        tables.append(table)
    return pd.concat(tables, ignore_index=True)
