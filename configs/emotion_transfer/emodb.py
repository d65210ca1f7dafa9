"""The audio branch of the emotion model on real speech: Berlin EmoDB, four classes, 20 seeds.

Two speakers are held out for test and one for validation; nobody else is heard in training. Beside it stands an SVM on
mean and standard deviation of the same features. The paper has no EmoDB figures: this shows on openly licensed speech that
the branch learns what it should (its IEMOCAP figures are in Table 1).

    python -m jaxdep.main --config=configs/emotion_transfer/emodb.py --workdir=runs/emodb --data_dir=DIR
    python -m jaxdep.main --config=configs/emotion_transfer/emodb.py:small --workdir=runs/emodb_small --data_dir=DIR

DIR holds `emodb/wav/*.wav`. The full width (512) is for an accelerator; `:small` (64) trains on two CPU cores in minutes.
`:folds` and `:small_folds` test each of the ten speakers once: the one before validates, the other eight train, all folds
of all seeds train as one program, and a seed's decisions on all speakers are scored together.

`:newbob`, `:small_newbob`, `:folds_newbob` and `:small_folds_newbob` train by the schedule of the cited code, in place of the
halving after eight epochs without gain; its dropout of the pooled heads is `--config.stages.audio.model.head_dropout=0.5`.
"""

from input_pipeline.batching import Arrangement
from input_pipeline.config import ConfigError
from input_pipeline.features import LogMel
from jaxdep.config import (
    BaselineStage,
    Constant,
    Data,
    Experiment,
    Folds,
    Newbob,
    Optimizer,
    Seeds,
    Splits,
    StageConfig,
    Task,
    Training,
    TrainStage,
    trivial_baselines,
)
from jaxdep.models.emotion_transfer import EmotionAudio

ONE = Splits(by="participant", train=(), validation=("09",), test=("03", "08"))
TEN = Splits(folds=Folds())  # leave one speaker out
TASKS = {"emotion": Task()}
METRICS = ("unweighted_accuracy", "accuracy", "f1_macro")
VARIANTS = ("small", "folds", "small_folds", "newbob", "small_newbob", "folds_newbob", "small_folds_newbob")


def data(splits: Splits, arrangement: Arrangement) -> Data:
    return Data(
        corpus="emodb",
        features={"audio": LogMel(normalize="none")},
        arrangements={"audio": arrangement},
        splits=splits,
    )


def stages(splits: Splits, *, width: int, newbob: bool) -> dict[str, StageConfig]:
    """The branch, the SVM and the majority class.

    The branch sees windows of 118 frames (1.2 s); an utterance's decision is the mean over its windows.
    """
    row = {"tasks": TASKS, "metrics": METRICS}
    windows = data(splits, Arrangement(level="windows", window_frames=118, hop_frames=59))
    utterances = data(splits, Arrangement(level="frames"))
    return {
        **trivial_baselines(utterances, TASKS, binary=False, metrics=METRICS),
        "svm": BaselineStage(kind="svm", label="SVM on mean and std of the features", data=utterances, **row),
        "audio": TrainStage(
            label=f"Res-TDNN audio branch, width {width}",
            data=windows,
            # A narrow network loses too much to the dropout of 0.5 that the full width has.
            model=EmotionAudio(width=width, dropout=0.5 if width == 512 else 0.3),
            optimizer=Optimizer(learning_rate=1e-3, clip_norm=1.0),
            # One validation speaker is too little to choose an epoch by (README, "What came out"): the last one counts,
            # and validation only lowers the learning rate.
            training=Training(
                epochs=30,
                batch_size=32,
                monitor="unweighted_accuracy",
                select="last",
                plateau_patience=0 if newbob else 8,
                schedule=Newbob() if newbob else Constant(),
                epochs_per_call=2,
            ),
            **row,
        ),
    }


def get_config(variant: str = "") -> Experiment:
    """The experiment; `variant` is "" or one of `VARIANTS`."""
    if variant not in ("", *VARIANTS):
        raise ConfigError(f"emodb.py:{variant}: there is no such variant; there are {', '.join(VARIANTS)}")
    parts = variant.split("_")
    width = 64 if "small" in parts else 512
    if "folds" in parts:
        splits = TEN
        who = "each of ten folds tests one speaker, sets the learning rate by another, and trains on the other eight"
    else:
        splits, who = ONE, "speakers 03 and 08 are tested, 09 sets the learning rate, the other seven train"
    return Experiment(
        name="emodb",
        title="Emotion model, audio branch, on Berlin EmoDB" + (", ten folds" if "folds" in parts else ""),
        description=f"Anger, happiness, neutral and sadness in acted German speech; {who}.",
        system="emotion_transfer",
        source="Wu, Wu and Yu, Climate and Weather (ICASSP 2022), section 2.2; corpus: Burkhardt et al. 2005, CC0",
        seeds=Seeds(count=20),
        stages=stages(splits, width=width, newbob="newbob" in parts),
    )
