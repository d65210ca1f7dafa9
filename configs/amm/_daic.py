"""DAIC-WOZ utterance by utterance, as the experiments of AMM read it: words, the gender's word, the face's tracks.

The features are those of which the corpus has something: its video is not distributed. README.md says why it is done so.
This file is no experiment.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from configs.amm import _shared as shared
from input_pipeline.batching import Arrangement
from input_pipeline.features import Feature, MetadataWord, Tracks, Words
from jaxdep.config import (
    Data,
    Optimizer,
    ParticipantStage,
    Published,
    Splits,
    StageConfig,
    StandIn,
    Task,
    TrainStage,
)
from jaxdep.models.amm import AMM

MODALITIES = {"t": ("text", "gender"), "v": ("image",), "tv": ("text", "gender", "image")}
FACE = ("clnf_aus", "clnf_gaze", "clnf_pose")
LONGEST = 64  # words of an utterance, and frames of its face
PROTOCOL = "an utterance has the label of its interview, nobody stands on two sides"
NOTE = (
    "The published figures of DAIC are of utterances, labels and a split of the authors' own, of which none was released: they "
    "were not measured in this protocol."
)

Named = Mapping[str, tuple[Feature, Arrangement]]


def features(synthetic: bool) -> dict[str, tuple[Feature, Arrangement]]:
    """An utterance's words, the gender's word (section III.C), and the face twice a second, in place of video."""
    bert: dict[str, Any] = {"encoder": "bert", "checkpoint": "bert-base-uncased", "dim": 768}
    frames = Arrangement(level="frames", max_frames=LONGEST)
    return {
        "text": (Words(dim=64) if synthetic else Words(**bert), frames),
        "gender": (MetadataWord(dim=16) if synthetic else MetadataWord(**bert), Arrangement(level="vector")),
        "image": (Tracks(of=FACE, rate_hz=1.0 if synthetic else 2.0, mask_invalid=True), dataclasses.replace(frames)),
    }


def data(known: Named, names: Iterable[str], synthetic: bool) -> Data:
    """What a stage reads that takes those of the known features; sequences are padded in three groups of like length."""
    chosen = {name: known[name] for name in names}
    buckets = 1 if synthetic else 3
    return Data(
        corpus="daic_woz_utterances",
        stand_in=StandIn(sessions=50, utterance_emotions=1.0) if synthetic else None,
        features={name: feature for name, (feature, _) in chosen.items()},
        arrangements={
            name: one if one.level == "vector" else dataclasses.replace(one, buckets=buckets)
            for name, (_, one) in chosen.items()
        },
        splits=Splits(train=("train",), validation=("dev",), test=("test",)),
        unnormalized=("gender",) if "gender" in chosen else (),
        file_format="array_record",
    )


def row(
    label: str,
    section: str,
    modalities: str,
    tasks: Sequence[str],
    synthetic: bool,
    figures: dict[str, tuple[Published, ...]],
    **changes: Any,
) -> TrainStage:
    """AMM on some modalities, a key of `MODALITIES`; `figures` by task, `changes` of the model's fields."""
    names = MODALITIES[modalities]
    gender = {"gender": "gender"} if "gender" in names else {}
    model: AMM = dataclasses.replace(shared.network(names, synthetic, **changes), dropout=0.3, **gender)
    return shared.trained(
        label,
        section,
        tasks,
        data(features(synthetic), names, synthetic),
        model,
        Optimizer(name="adam", learning_rate=0.003 if synthetic else 0.001, weight_decay=1e-5),
        {} if synthetic else figures,
        synthetic,
    )


def references(section: str, synthetic: bool) -> dict[str, StageConfig]:
    """Trivial classifiers, that of the gender among them, and a logistic regression; by the stage's name."""
    both = data(features(synthetic), ("text", "image"), synthetic)
    return shared.references_of(both, section, "depressed", "", genders=True)


def described(text: str, synthetic: bool) -> str:
    """An experiment's description; beside published figures with what they are of."""
    return text if synthetic else f"{text} {NOTE}"


def participant(of: str, stage: TrainStage) -> ParticipantStage:
    """The row of those of whom a stage decides on the utterances: of each the mean over these."""
    return ParticipantStage(
        of=of,
        label=f"{stage.label}, by participant",
        section=f"{stage.section}; by participant",
        data=stage.data,
        tasks={"depressed": Task(class_weights="equal")},
        metrics=stage.metrics,
    )
