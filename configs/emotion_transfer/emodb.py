"""The audio branch of the emotion model on real speech: Berlin EmoDB, four classes, 20 seeds.

Two speakers are held out for test and one for validation; nobody else is heard in training. Beside it stands an SVM on
mean and standard deviation of the same features. The paper has no EmoDB figures: this shows on openly licensed speech that
the branch learns what it should (its IEMOCAP figures are in Table 1).

    python -m jaxdep.main --config=configs/emotion_transfer/emodb.py --workdir=runs/emodb --data_dir=DIR
    python -m jaxdep.main --config=configs/emotion_transfer/emodb.py:small --workdir=runs/emodb_small --data_dir=DIR

DIR holds `emodb/wav/*.wav`. The full width (512) is for an accelerator; `:small` (128) trains on two CPU cores in minutes.
"""


from input_pipeline.batching import Arrangement
from input_pipeline.config import ConfigError
from input_pipeline.features import LogMel
from jaxdep.config import (
    BaselineStage,
    Data,
    Experiment,
    Optimizer,
    Seeds,
    Splits,
    StageConfig,
    Task,
    Training,
    TrainStage,
)
from jaxdep.models.emotion_transfer import EmotionAudio

SPEAKERS = ("03", "08", "09", "10", "11", "12", "13", "14", "15", "16")
TASKS = {"emotion": Task()}
METRICS = ("unweighted_accuracy", "accuracy", "f1_macro")


def fold(index: int) -> Splits:
    """Fold `index` of ten tests two neighbouring speakers and validates on the next one; each speaker is tested twice."""
    first, second, third = (SPEAKERS[(index + offset) % len(SPEAKERS)] for offset in range(3))
    return Splits(by="participant", train=(), validation=(third,), test=(first, second))


def data(splits: Splits) -> Data:
    """Windows of 118 frames (1.2 s), as the emotion model takes them; an utterance's decision is their mean."""
    return Data(
        corpus="emodb",
        features={"audio": LogMel(normalize="none")},
        arrangements={"audio": Arrangement(level="windows", window_frames=118, hop_frames=40)},
        splits=splits,
    )


def stages(splits: Splits, *, width: int) -> dict[str, StageConfig]:
    """The branch, the SVM and the majority class on one division of the speakers."""
    row = {"data": data(splits), "tasks": TASKS, "metrics": METRICS}
    return {
        "majority": BaselineStage(kind="majority", label="Majority class", **row),
        "svm": BaselineStage(kind="svm", label="SVM (RBF) on mean and std of the features", **row),
        "audio": TrainStage(
            label=f"Res-TDNN audio branch, width {width}",
            model=EmotionAudio(width=width),
            optimizer=Optimizer(learning_rate=1e-3, weight_decay=1e-4),
            training=Training(epochs=30, batch_size=32, plateau_patience=5, epochs_per_call=2),
            **row,
        ),
    }


def get_config(variant: str = "") -> Experiment:
    if variant not in ("", "small"):
        raise ConfigError(f"configs/emotion_transfer/emodb.py:{variant}: there is no such variant; there is small")
    return Experiment(
        name="emodb",
        title="Emotion model, audio branch, on Berlin EmoDB",
        description=(
            "Anger, happiness, neutral and sadness in acted German speech; speakers 03 and 08 are tested, 09 chooses the "
            "epoch, the other seven train."
        ),
        system="emotion_transfer",
        source="Wu, Wu and Yu, Climate and Weather (ICASSP 2022), section 2.2; corpus: Burkhardt et al. 2005, CC0",
        seeds=Seeds(count=20),
        stages=stages(fold(0), width=128 if variant else 512),
    )
