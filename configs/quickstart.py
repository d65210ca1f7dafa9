"""Quickstart: two detectors on a stand-in corpus, 20 seeds each, from an empty folder to the page in minutes.

The stand-in has DAIC-WOZ's layout and a planted effect of known size (input_pipeline/synthesis): its depressed speakers
speak in a narrower pitch range, more slowly, with longer pauses and other words. Nothing here is real speech.

    python -m jaxdep.main --config=configs/quickstart.py --workdir=runs/quickstart
    python -m jaxdep.main --config=configs/quickstart.py:no_effect --workdir=runs/no_effect

With `:no_effect` the labels are independent of everything, and every row must be at chance: with 48 test participants
the unweighted accuracy of a classifier that knows nothing lies within 0.5 +- 0.15 nineteen times in twenty, and all
seeds share these participants. `map` is the mapper for a CPU; on an accelerator add `--config.mapping.mapper=auto`.
"""

from typing import Any

from input_pipeline.batching import Arrangement
from input_pipeline.config import ConfigError
from input_pipeline.features import LogMel, Sentences
from jaxdep.config import (
    Data,
    Experiment,
    Mapping,
    Optimizer,
    Seeds,
    StandIn,
    Task,
    Training,
    TrainStage,
    trivial_baselines,
)
from jaxdep.models.emotion_transfer import DirectAudio, DirectText

TASKS = {"depressed": Task()}
METRICS = ("f1", "unweighted_accuracy", "accuracy", "f1_macro")


def get_config(variant: str = "") -> Experiment:
    """The experiment; `variant` is "" or "no_effect"."""
    if variant not in ("", "no_effect"):
        raise ConfigError(f"configs/quickstart.py:{variant}: there is no such variant; there is no_effect")
    stand_in = StandIn(sessions=160, effect=0.0 if variant else 1.0)
    shards: dict[str, Any] = {"file_format": "array_record"}  # read without TensorFlow, whose import takes seconds
    text = Data(
        **shards,
        stand_in=stand_in,
        features={"text": Sentences()},
        arrangements={"text": Arrangement(level="segments")},
        unnormalized=("text",),  # hashed words: most dimensions are zero in most sessions
    )
    audio = Data(
        **shards,
        stand_in=stand_in,
        features={"audio": LogMel(pool_frames=4, normalize="none")},
        arrangements={"audio": Arrangement(level="segments_frames", max_frames=100)},
    )
    return Experiment(
        name="quickstart",
        title="Quickstart: direct audio and direct text" + (", no planted effect" if variant else ""),
        description=(
            "A bi-GRU over log-mel frames on two levels, and a bi-LSTM over hashed sentences, on a stand-in corpus. "
            "Every seed trains on its train split; the epoch is chosen on the dev split, the scores are of the test split."
        ),
        system="quickstart",
        seeds=Seeds(count=20),
        mapping=Mapping(mapper="map"),
        stages={
            **trivial_baselines(text, TASKS, metrics=METRICS),
            "audio": TrainStage(
                label="Direct audio (bi-GRU)",
                data=audio,
                tasks=TASKS,
                metrics=METRICS,
                model=DirectAudio(frame_hidden=16, segment_hidden=16, pooling="mean_std", dropout=0.2),
                optimizer=Optimizer(learning_rate=3e-3),
                training=Training(epochs=15, batch_size=16, epochs_per_call=3),
            ),
            "text": TrainStage(
                label="Direct text (bi-LSTM)",
                data=text,
                tasks=TASKS,
                metrics=METRICS,
                model=DirectText(hidden=32, dropout=0.2),
                optimizer=Optimizer(learning_rate=3e-3),
                training=Training(epochs=20, batch_size=16),
            ),
        },
    )
