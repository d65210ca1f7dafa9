"""DepAudioNet on the development set, 20 seeds: with classes balanced by sampling, and without.

    python -m jaxdep.main --config=configs/depaudionet/table1.py --workdir=runs/depaudionet --data_dir=DIR
    python -m jaxdep.main --config=configs/depaudionet/table1.py:synthetic --workdir=runs/depaudionet_synthetic

DIR holds `daic_woz/`. `:synthetic` runs on the stand-in with a narrower network and fewer epochs, on two CPU cores.
"""

from input_pipeline.batching import Arrangement
from input_pipeline.config import ConfigError
from input_pipeline.features import LogMel
from jaxdep.config import (
    Data,
    Experiment,
    Mapping,
    Optimizer,
    Published,
    Sampling,
    Seeds,
    StageConfig,
    StandIn,
    StepDecay,
    Task,
    Training,
    TrainStage,
    trivial_baselines,
)
from jaxdep.models.depaudionet import DepAudioNet

SOURCE = "Ma et al., DepAudioNet: An Efficient Deep Model for Audio based Depression Classification (AVEC 2016)"
# The table as others quote it, which the README tells of.
DEVELOPMENT = {
    "f1": 0.52,
    "f1_of_healthy": 0.70,
    "precision": 0.35,
    "precision_of_healthy": 1.00,
    "recall": 1.00,
    "recall_of_healthy": 0.54,
}
METRICS = (*DEVELOPMENT, "accuracy", "unweighted_accuracy")
REPORT = ("validation",)  # the development set, on which nothing is chosen


def data(synthetic: bool) -> Data:
    """The participant's turns one after another, in windows of 120 frames (3.84 s)."""
    return Data(
        stand_in=StandIn(sessions=160) if synthetic else None,
        features={"audio": LogMel(n_mels=40, frame_s=0.064, hop_s=0.032, deltas=0, normalize="recording")},
        arrangements={"audio": Arrangement(level="windows", window_frames=120)},
        unnormalized=("audio",),  # each recording is standardised by itself
        file_format="array_record",
    )


def row(label: str, balanced: bool, synthetic: bool) -> TrainStage:
    """A row of the table: of each recording so many windows an epoch, in batches of 20."""
    return TrainStage(
        label=label,
        data=data(synthetic),
        tasks={"depressed": Task(class_weights="equal", unit_decision="vote")},
        metrics=METRICS,
        report=REPORT,
        model=DepAudioNet(channels=32, hidden=32) if synthetic else DepAudioNet(),
        optimizer=Optimizer(learning_rate=3e-3 if synthetic else 1e-3),
        training=Training(
            epochs=30 if synthetic else 100,
            batch_size=20,
            select="last",
            schedule=StepDecay(every=3, factor=0.9),
            epochs_per_call=5,
            sampling=Sampling(per_recording=8 if synthetic else 32, balance="undersample" if balanced else "none"),
        ),
        score_windows=True,
        published=()
        if synthetic or not balanced
        else tuple(Published(name, figure=value, source="development set") for name, value in DEVELOPMENT.items()),
    )


def get_config(variant: str = "") -> Experiment:
    """The experiment; `variant` is "" or "synthetic"."""
    if variant not in ("", "synthetic"):
        raise ConfigError(f"configs/depaudionet/table1.py:{variant}: there is no such variant; there is synthetic")
    synthetic = variant == "synthetic"
    tasks = {"depressed": Task()}
    stages: dict[str, StageConfig] = {
        **trivial_baselines(data(synthetic), tasks, metrics=METRICS, report=REPORT),
        "depaudionet": row("DepAudioNet", True, synthetic),
        "unbalanced": row("DepAudioNet, classes as they are", False, synthetic),
    }
    return Experiment(
        name="depaudionet_table1",
        title="DepAudioNet: windows of sound, balanced by sampling",
        description="Windows of 120 log-mel frames, drawn anew each epoch; a session's decision is their vote.",
        system="depaudionet",
        source=SOURCE,
        seeds=Seeds(count=20),
        mapping=Mapping(mapper="map" if synthetic else "auto"),
        stages=stages,  # type: ignore[arg-type]
    )
