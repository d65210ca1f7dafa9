"""Table I: six networks on text, on speech and on both, 20 seeds each, sessions cut into windows of 20 s of speech.

    python -m jaxdep.main --config=configs/bilstm_cnn/table1.py --workdir=runs/bilstm_cnn_table1 --data_dir=DIR
    python -m jaxdep.main --config=configs/bilstm_cnn/table1.py:synthetic --workdir=runs/bilstm_cnn_table1_synthetic

DIR holds `daic_woz/`. The words of `table1.py` are hashed, and its page says so. `:glove` has learnt vectors: it reads
`DIR/glove/glove.6B.300d.txt` (another file, absolute or below DIR: `--config.stages.NAME.data.features.text.checkpoint`).
`:bert` has the states of BERT-base, from `DIR/google-bert/bert-base-uncased` or the hub. `:synthetic` runs on the stand-in
with narrower networks and fewer epochs, on two CPU cores.
"""

import copy
import math

from input_pipeline.batching import Arrangement
from input_pipeline.config import ConfigError
from input_pipeline.features import Feature, LogMel, Words
from jaxdep.config import (
    Data,
    Experiment,
    Mapping,
    Optimizer,
    Published,
    Seeds,
    StageConfig,
    StandIn,
    Task,
    Training,
    TrainStage,
    trivial_baselines,
)
from jaxdep.models import ModelConfig
from jaxdep.models.bilstm_cnn import JointNetwork, SpeechNetwork, TextNetwork

SOURCE = "Xu, Deep Learning-Based Cross-Modal Emotion Recognition for Predicting Potential Depression Patients"
TASKS = {"depressed": Task()}
READINGS = ("f1", "f1_macro", "f1_weighted")  # of the paper's "F1"
CONFUSION_METRICS = (*READINGS, "accuracy", "unweighted_accuracy", "precision_micro", "precision_macro")
METRICS = (*CONFUSION_METRICS, "log_loss", "ece")
PREVALENCE = 56 / 189  # depressed participants (section IV.A)
FORMULAS = (
    "WA and UA as printed in section IV.C are micro and macro precision; the field's are accuracy and mean recall."
)
CORPUS = (
    "With the label of session 409 corrected (its score is 10) the corpus has 57 depressed of 189; the paper says 56, as many as "
    "the files have."
)
WORDS = {
    "": Words(dim=300),
    "glove": Words(encoder="glove", checkpoint="glove/glove.6B.300d.txt", dim=300),
    "bert": Words(encoder="bert", checkpoint="google-bert/bert-base-uncased", dim=768),
    "synthetic": Words(dim=128),
}


def published(f1: float, wa: float, ua: float) -> tuple[Published, ...]:
    """A row of Table I, in per cent; which formulas and which F1 made it is not told, so each has its readings."""

    def printed(value: float, *metrics: str, prevalence: float = math.nan) -> Published:
        metric, *others = metrics
        return Published(
            metric, figure=round(value / 100, 4), source="Table I", readings=tuple(others), prevalence=prevalence
        )

    return (
        printed(f1, *READINGS, prevalence=PREVALENCE),
        printed(wa, "accuracy", "precision_micro"),
        printed(ua, "unweighted_accuracy", "precision_macro"),
    )


def data(*modalities: str, variant: str) -> Data:
    """The participant's turns in windows of 20 s of speech: words, log-mel frames, or both."""
    synthetic = variant == "synthetic"
    features: dict[str, Feature] = {
        "text": copy.deepcopy(WORDS[variant]),
        "audio": LogMel(
            n_mels=40 if synthetic else 64,
            frame_s=0.064,
            hop_s=0.032,
            deltas=0,
            pool_frames=2 if synthetic else 1,
            normalize="none",
        ),
    }
    longest = {"text": 120, "audio": 500 if synthetic else 1000}
    return Data(
        stand_in=StandIn(sessions=160) if synthetic else None,
        features={name: features[name] for name in modalities},
        arrangements={
            name: Arrangement(level="windows", window_s=20.0, max_frames=longest[name]) for name in modalities
        },
        unnormalized=("text",) if "text" in modalities else (),  # hashed words: most dimensions are nearly always zero
        file_format="array_record",
    )


def networks(variant: str) -> tuple[TextNetwork, SpeechNetwork]:
    """The parts of Bi-LSTM-CNN: that for text, and that for speech."""
    if variant == "synthetic":
        return (
            TextNetwork(hidden=32, channels=32, units=32),
            SpeechNetwork(channels=(32, 32), hidden=32, units=32),
        )
    return TextNetwork(), SpeechNetwork()


def row(label: str, model: ModelConfig, variant: str, figures: tuple[Published, ...] = ()) -> TrainStage:
    """A network of the table: batches of 30, for the joint network of 50, 300 epochs (section IV.B)."""
    modalities = tuple(model.takes())
    return TrainStage(
        label=label,
        data=data(*modalities, variant=variant),
        tasks=TASKS,
        metrics=METRICS,
        model=model,
        optimizer=Optimizer(learning_rate=3e-3 if variant == "synthetic" else 1e-3, clip_norm=1.0),
        training=Training(
            epochs=30 if variant == "synthetic" else 300,
            batch_size=50 if len(modalities) > 1 else 30,
            select="last",  # the paper tells of no choice; dev stays free for calibration and weights
            epochs_per_call=5,
        ),
        score_windows=True,
        published=() if variant == "synthetic" else figures,
        note=FORMULAS,
    )


def joint(variant: str) -> TrainStage:
    text, speech = networks(variant)
    model = JointNetwork(text=text, speech=speech, units=text.units)
    return row("Bi-LSTM-CNN (text + speech)", model, variant, published(69.2, 69.38, 70.71))


def stages(variant: str) -> dict[str, StageConfig]:
    """The trivial baselines and the six rows."""
    text, speech = networks(variant)

    def of_text(**left_out: object) -> TextNetwork:
        return TextNetwork(**{**vars(text), **left_out})  # type: ignore[arg-type]

    def of_speech(**left_out: object) -> SpeechNetwork:
        return SpeechNetwork(**{**vars(speech), **left_out})  # type: ignore[arg-type]

    return {
        **trivial_baselines(data("text", variant=variant), TASKS, metrics=CONFUSION_METRICS),
        "text_bilstm": row("Bi-LSTM (text)", of_text(channels=0), variant, published(61.7, 57.42, 56.81)),
        "text_lstm_cnn": row("LSTM-CNN (text)", of_text(bidirectional=False), variant, published(64.2, 61.85, 61.06)),
        "speech_lstm": row("LSTM (speech)", of_speech(channels=()), variant, published(53.9, 50.76, 52.05)),
        "speech_cnn": row("CNN (speech)", of_speech(hidden=0), variant, published(56.3, 52.17, 52.98)),
        "speech_lstm_cnn": row("LSTM-CNN (speech)", of_speech(), variant, published(62.8, 59.53, 58.2)),
        "joint": joint(variant),
    }


def check_variant(file: str, variant: str) -> None:
    """Raises ConfigError where there is no such variant."""
    if variant not in WORDS:
        known = ", ".join(filter(None, WORDS))
        raise ConfigError(f"configs/bilstm_cnn/{file}:{variant}: there is no such variant; there are {known}")


def experiment(name: str, title: str, description: str, variant: str, stages: dict[str, StageConfig]) -> Experiment:
    """An experiment of this system with 20 seeds; `map` is the mapper for a CPU."""
    return Experiment(
        name=f"bilstm_cnn_{name}",
        title=title,
        description=description if variant == "synthetic" else f"{description} {CORPUS}",
        system="bilstm_cnn",
        source=SOURCE,
        seeds=Seeds(count=20),
        mapping=Mapping(mapper="map" if variant == "synthetic" else "auto"),
        stages=stages,  # type: ignore[arg-type]
    )


def get_config(variant: str = "") -> Experiment:
    """The experiment; `variant` is "", "glove", "bert" or "synthetic"."""
    check_variant("table1.py", variant)
    return experiment(
        "table1",
        "Bi-LSTM-CNN, Table I: one modality against two",
        "Six networks on windows of the participant's turns; a session's decision is the mean over its windows.",
        variant,
        stages(variant),
    )
