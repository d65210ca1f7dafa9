"""Strips of pictures from a feature set."""

import io

import numpy as np
import pandas as pd
from jaxtyping import UInt8
from PIL import Image

from jaxdep.config import SamplesStage
from jaxdep.config.stages.samples import SAMPLES, STRIP
from jaxdep.engine.splits import assign, divided
from jaxdep.files import write_bytes
from jaxdep.stages import StageRun
from jaxdep.stages.baseline import SEED

HEIGHT, GAP = 96, 2  # pixels of a strip, and between its frames


def run(config: SamplesStage, stage: StageRun) -> None:
    """Writes samples.csv, and a strip of frames for each of its recordings where they are to be shown.

    Raises:
        DataError: the splits cannot be made of this corpus.
    """
    examples = stage.examples
    lines: list[tuple[str, str, str, str, str, int, str]] = []
    labels = examples.labels[config.task]
    fold = divided(examples, config.data.splits, labels)[0]
    in_split = assign(examples, fold, labels, SEED)[config.split]
    recordings = stage.sources.feature_sets(config.data, stage.folder.parent)[config.feature].originals
    for index, label in enumerate(examples.classes[config.task]):
        groups = np.unique(examples.groups[in_split[labels[in_split] == index]])
        for group in _spaced(groups, config.count):
            recording = recordings[group]
            name = STRIP.format(len(lines)) if config.pictures and len(recording.values) else ""
            if name:
                write_bytes(stage.folder / name, strip(_spaced(recording.values, config.frames)))
            split = config.data.called(config.split)
            lines.append((config.feature, config.task, label, recording.id, split, len(recording.values), name))
    stage.write_csv(SAMPLES.name, pd.DataFrame(lines, columns=list(SAMPLES.columns)))
    stage.remember()


def strip(frames: UInt8[np.ndarray, "F H W 3"]) -> bytes:
    """Frames side by side as a JPEG file; small ones enlarged without smoothing, so that each pixel shows."""
    _, height, width, _ = frames.shape
    scale = HEIGHT / height
    way = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
    wide = max(1, round(width * scale))
    whole = Image.new("RGB", (len(frames) * (wide + GAP) - GAP, HEIGHT), "white")
    for place, frame in enumerate(frames):
        whole.paste(Image.fromarray(frame).resize((wide, HEIGHT), way), (place * (wide + GAP), 0))
    buffer = io.BytesIO()
    whole.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def _spaced(values: np.ndarray, count: int) -> np.ndarray:
    """At most so many, from the first to the last at even distances."""
    return values[np.unique(np.linspace(0, len(values) - 1, min(count, len(values))).round().astype(int))]
