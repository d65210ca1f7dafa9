"""What the experiments of emotion transfer have in common: corpora and features, the emotion model's forms, schedules.

What the paper does not tell is decided here; README.md says why. This file is no experiment.
"""

import dataclasses
from typing import Any

from input_pipeline.batching import Arrangement
from input_pipeline.config import ConfigError, field_names
from input_pipeline.features import Feature, LogMel, Segmentation, Sentences
from jaxdep.config import (
    AttentionStage,
    Data,
    EvaluateStage,
    Experiment,
    Mapping,
    Optimizer,
    ScoredStage,
    Seeds,
    Splits,
    StageConfig,
    StandIn,
    Training,
)
from jaxdep.models import ModelConfig
from jaxdep.models.emotion_transfer import EmotionAudio, EmotionAudioText, EmotionText

PAPER = "Wu, Wu and Yu, Climate and Weather: Inspecting Depression Detection via Emotion Recognition (ICASSP 2022)"
FORMS = {"a": "A", "t": "T", "at": "A+T"}
MODALITIES = {"a": ("audio",), "t": ("text",), "at": ("audio", "text")}
BERT = "google-bert/bert-base-uncased"
ANALYSIS = "Emotion analysis of the depression data (section 4)"
CONTEXT = 3  # utterances to each side (section 2.2)
PENALTY_WEIGHT = 0.1  # enough for spiky heads to be spiky: at 0.01 those of the text stay flat
INTERVIEWS = StandIn(sessions=240, emotion=1.0)
# The paper reports on dev; so that no choice is made on it, a fifth of the training participants validates. Its seeds vary
# the initialisation (section 3.3), so that fifth is one draw for all of them, and the STD is not that of other splits.
INTERVIEW_SPLITS = Splits(train=("train",), validation=(), test=("dev",), validation_fraction=0.2, validation_draw=0)
DRAWN_SPLITS = dataclasses.replace(INTERVIEW_SPLITS, validation_draw=None)


def sentences(synthetic: bool, context: int, segmentation: Segmentation | None = None) -> Sentences:
    """Sentence vectors with those of the turns around them: BERT-base, as the paper has it, on the stand-ins hashed words.

    The checkpoint is fetched from the hub; the path of its folder serves as well.
    """
    segmentation = segmentation or Segmentation()
    if synthetic:
        return Sentences(dim=256, context=context, segmentation=segmentation)
    return Sentences(encoder="bert", checkpoint=BERT, context=context, segmentation=segmentation)


def features(*modalities: str, synthetic: bool, context: int = CONTEXT) -> dict[str, Feature]:
    """Filterbanks (section 2.1), and sentence vectors with their context."""
    found: dict[str, Feature] = {
        "audio": LogMel(normalize="none", pool_frames=4 if synthetic else 1),
        "text": sentences(synthetic, context),
    }
    return {name: found[name] for name in modalities}


def utterances(corpus: str, form: str, synthetic: bool, stand_in: StandIn | None, splits: Splits) -> Data:
    """An emotional corpus: whole utterances, cut at 10 s (3.6 s on the stand-ins), with the sentences around them."""
    arrangements = {
        "audio": Arrangement(level="frames", max_frames=90 if synthetic else 1000, buckets=1 if synthetic else 6),
        "text": Arrangement(level="frames"),
    }
    return Data(
        corpus=corpus,
        stand_in=stand_in,
        features=features(*MODALITIES[form], synthetic=synthetic),
        arrangements={name: arrangements[name] for name in MODALITIES[form]},
        splits=splits,
        unnormalized=("text",) if "text" in MODALITIES[form] else (),  # a vector of zeros stands for no sentence
        file_format="array_record",
    )


def interviews(data_features: dict[str, Feature], arrangement: Arrangement, synthetic: bool) -> Data:
    """DAIC-WOZ, the participant's turns."""
    return Data(
        stand_in=dataclasses.replace(INTERVIEWS) if synthetic else None,
        features=data_features,
        arrangements=dict.fromkeys(data_features, arrangement),
        splits=INTERVIEW_SPLITS,
        unnormalized=("text",) if "text" in data_features else (),
        file_format="array_record",
    )


def drawn(stages: dict[str, StageConfig]) -> dict[str, StageConfig]:
    """The wider protocol beside the paper's: the same stages, called `<name>_drawn`, where each seed draws who validates.

    Their STD holds that of the draws too. What they read of each other is among them, and they have no published figures.
    """
    found = {}
    for name, stage in stages.items():
        changes: dict[str, Any] = {
            "label": f"{stage.label}, splits drawn",
            "section": f"{stage.section}: each seed draws who validates",
            "data": dataclasses.replace(stage.data, splits=DRAWN_SPLITS),
        }
        if isinstance(stage, ScoredStage):
            changes["published"] = ()
        if isinstance(stage, EvaluateStage):
            changes["of"] = f"{stage.of}_drawn"
        for field in {"members", "rows", "against"} & set(field_names(stage)):
            changes[field] = tuple(f"{one}_drawn" for one in getattr(stage, field))
        found[f"{name}_drawn"] = dataclasses.replace(stage, **changes)
    return found


def emotion_model(form: str, synthetic: bool) -> ModelConfig:
    """The emotion model (section 2.2), with narrower layers and less dropout on the stand-ins."""
    narrow = {"width": 32, "frame_dim": 64, "attention_units": 32, "dropout": 0.2} if synthetic else {}
    audio = EmotionAudio(edges="replicate", penalty_weight=PENALTY_WEIGHT, **narrow)  # type: ignore[arg-type]
    text = EmotionText(dropout=0.2 if synthetic else 0.3, penalty_weight=PENALTY_WEIGHT)
    return {"a": audio, "t": text, "at": EmotionAudioText(audio=audio, text=text)}[form]


def optimizer(synthetic: bool) -> Optimizer:
    """Adam, at a rate for few steps on the stand-ins."""
    return Optimizer(name="adam", learning_rate=3e-3 if synthetic else 1e-3, clip_norm=1.0)


def pretraining(synthetic: bool, monitor: str) -> Training:
    """The rate is halved after every epoch that brings too little, the best epoch counts.

    Near `Newbob`, the schedule of the cited code, but for what is too little (a share of the best score, not an absolute
    gain), for going back to the best epoch, and for its ramp.
    """
    return Training(
        epochs=18 if synthetic else 40,
        batch_size=16 if synthetic else 32,
        monitor=monitor,
        plateau_patience=1,
        plateau_threshold=0.0025,
        patience=8,
        epochs_per_call=3,
    )


def attention(of: str, data: Data) -> AttentionStage:
    """The rows of a trained emotion model's attention; `data` is that model's."""
    return AttentionStage(
        of=of,
        label=f"Attention of {of}: spiky and smooth heads (section 2.2)",
        section="Attention of the emotion models",
        data=data,
    )


def is_synthetic(file: str, variant: str, others: tuple[str, ...] = ()) -> bool:
    """Whether the variant is "synthetic"; raises ConfigError where it is none of that, "" and the others."""
    if variant not in ("", "synthetic", *others):
        known = ", ".join(("synthetic", *others))
        verb = "are" if others else "is"
        raise ConfigError(f"configs/emotion_transfer/{file}:{variant}: there is no such variant; there {verb} {known}")
    return variant == "synthetic"


def experiment(name: str, title: str, description: str, synthetic: bool, stages: dict[str, StageConfig]) -> Experiment:
    """An experiment of this system with 20 seeds; `map` is the mapper for a CPU."""
    return Experiment(
        name=f"emotion_transfer_{name}",
        title=title,
        description=description,
        system="emotion_transfer",
        source=PAPER,
        seeds=Seeds(count=20),
        mapping=Mapping(mapper="map" if synthetic else "auto"),
        stages=stages,  # type: ignore[arg-type]
    )
