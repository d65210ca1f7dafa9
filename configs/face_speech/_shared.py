"""What the experiments of system 5 have in common: corpora and features, networks, two stages of training, schedule.

What the paper does not tell is decided here; README.md says why. This file is no experiment.
"""

import dataclasses
from typing import Any

from input_pipeline.batching import Arrangement
from input_pipeline.config import ConfigError
from input_pipeline.features import Cleaning, FaceCrops, FaceGradients, Feature, MfccFrames, Prosody
from jaxdep.config import (
    BaselineStage,
    Data,
    Experiment,
    Mapping,
    Optimizer,
    Published,
    SamplesStage,
    Seeds,
    StageConfig,
    StandIn,
    Start,
    Task,
    Training,
    TrainStage,
    trivial_baselines,
)
from jaxdep.losses import BinaryCrossEntropy
from jaxdep.models import ModelConfig
from jaxdep.models.face_speech import AudioNetwork, FaceSpeechNetwork, VisualNetwork

PAPER = (
    "Kumari and Tiwari, A Deep Learning Approach to Detect Depression from Facial Expressions and Speech Patterns "
    "(NeuroQuantology 2021)"
)
TASK = "depressed"
TASKS = {TASK: Task(loss=BinaryCrossEntropy(), class_weights="equal")}  # a single unit with a sigmoid (section 4.4)
METRICS = ("accuracy", "precision", "recall", "f1", "roc_auc")
SCORED = (75, 75)  # depressed and healthy of the paper's test set (Table 1)
PRETRAINING = "Pretraining. Emotions of other people"
SPEECH = Cleaning(noise_reduction=True, pause_s=0.5)


@dataclasses.dataclass(frozen=True)
class Variant:
    """How an experiment is run.

    Attributes:
        synthetic: on the stand-ins, which fill the picture with a face.
        small: with ResNet-18; its first layer has `stem` channels.
        size: of a face, in pixels.
        frames: of a clip.
        pooled: so many frames of speech become their mean.
        scale: by which all other widths are divided.
        dropout: of the vectors of both streams.
        epochs, batch_size, learning_rate: of both stages.
    """

    synthetic: bool = False
    small: bool = False
    stem: int = 64
    size: int = 224
    frames: int = 8
    pooled: int = 1
    scale: int = 1
    dropout: float = 0.5
    epochs: int = 100
    batch_size: int = 32
    learning_rate: float = 1e-4

    @property
    def checkpoint(self) -> str:
        """Of the backbone before any training of ours; none on the stand-in, where nothing is of the world."""
        return "" if self.synthetic else "microsoft/resnet-18" if self.small else "microsoft/resnet-50"


VARIANTS = {
    "": Variant(),
    "small": Variant(small=True, size=112, frames=4),
    "synthetic": Variant(
        synthetic=True,
        small=True,
        stem=16,
        size=48,
        frames=4,
        pooled=5,
        scale=4,
        dropout=0.2,
        epochs=40,
        batch_size=16,
        learning_rate=1e-3,
    ),
}


def variant_of(file: str, name: str) -> Variant:
    """The variant of that name; raises ConfigError where there is none of it."""
    if name not in VARIANTS:
        known = ", ".join(filter(None, VARIANTS))
        raise ConfigError(f"configs/face_speech/{file}:{name}: there is no such variant; there are {known}")
    return VARIANTS[name]


def features(variant: Variant) -> dict[str, Feature]:
    """All that any network or baseline here reads."""
    detector: Any = {"detector": "none"} if variant.synthetic else {}
    speech: Any = {"cleaning": SPEECH, "pool_frames": variant.pooled}
    return {
        "face": FaceCrops(max_frames=variant.frames, size=variant.size, **detector),
        "static": FaceCrops(max_frames=1, size=variant.size, **detector),
        "gradients": FaceGradients(max_frames=max(variant.frames, 16), **detector),
        "speech": MfccFrames(**speech),
        "prosody": Prosody(**speech),
    }


def data(names: tuple[str, ...], variant: Variant, corpus: str = "talking_faces") -> Data:
    """Some of the features of a corpus: all frames of a clip, and all of the speech."""
    levels, known = {"face": "images", "static": "images"}, features(variant)
    buckets = 1 if set(names) & set(levels) else 4  # pictures are all of one size
    return Data(
        corpus=corpus,
        stand_in=StandIn(sessions=160) if variant.synthetic else None,
        features={name: known[name] for name in names},
        arrangements={
            name: Arrangement(level=levels.get(name, "frames"), buckets=buckets)  # type: ignore[arg-type]
            for name in names
        },
        file_format="array_record",
    )


def visual(variant: Variant, feature: str = "face") -> VisualNetwork:
    """The network of section 4.2."""
    return VisualNetwork(
        feature=feature,
        backbone="resnet18" if variant.small else "resnet50",
        stem=variant.stem,
        widths=(1024 // variant.scale, 512 // variant.scale),
        dropout=variant.dropout,
    )


def audio(variant: Variant, feature: str = "speech") -> AudioNetwork:
    """The network of section 4.3; of the gates of three minutes' frames a second's are kept at once."""
    return AudioNetwork(
        feature=feature,
        hidden=128 // variant.scale,
        units=256 // variant.scale,
        dropout=variant.dropout,
        time_chunk=0 if variant.synthetic else 100,
    )


def joint(variant: Variant) -> FaceSpeechNetwork:
    """The network of section 4.4."""
    widths = 512 // variant.scale, 256 // variant.scale
    return FaceSpeechNetwork(visual=visual(variant), audio=audio(variant), widths=widths)


def row(
    label: str,
    section: str,
    model: ModelConfig,
    variant: Variant,
    start: tuple[Start, ...] = (),
    published: tuple[Published, ...] = (),
    **fields: Any,
) -> TrainStage:
    """A network, trained end to end (section 4.5); on depression, unless `fields` say otherwise."""
    asked: dict[str, Any] = {"data": data(tuple(model.takes()), variant), "tasks": TASKS, "metrics": METRICS}
    return TrainStage(
        label=label,
        section=section,
        model=model,
        optimizer=Optimizer(name="adam", learning_rate=variant.learning_rate, weight_decay=1e-4),
        training=Training(
            epochs=variant.epochs,
            batch_size=variant.batch_size,
            patience=10,
            epochs_per_call=5,
        ),
        start=start,
        published=() if variant.synthetic else published,
        **asked | fields,
    )


def from_emotions(*streams: str) -> tuple[Start, ...]:
    """What a network takes of those that learnt emotions, each seed of the same one."""
    return tuple(Start(stage=f"emotion_{stream}", part=stream) for stream in streams)


def pretraining(variant: Variant) -> dict[str, StageConfig]:
    """Both streams on emotions of other people, and the share of the most frequent emotion (section 4.5).

    Voices are those of Berlin EmoDB, whose speakers 03 and 08 test and 09 validates as in
    configs/emotion_transfer/emodb.py; on the stand-in those of its actors.
    """
    tasks = {"emotion": Task(class_weights="equal")}
    faces = data(("face",), variant, "emotion_faces")
    voices = data(("speech",), variant, "emotion_faces" if variant.synthetic else "emodb")
    if not variant.synthetic:
        people = dataclasses.replace(voices.splits, by="participant", train=(), validation=("09",), test=("03", "08"))
        voices = dataclasses.replace(voices, splits=people)
    published = (Start(checkpoint=variant.checkpoint),) if variant.checkpoint else ()
    asked: dict[str, Any] = {"tasks": tasks, "metrics": ("accuracy", "unweighted_accuracy", "f1_macro")}
    found: dict[str, StageConfig] = {}
    for stream, source, what in (("visual", faces, "faces"), ("audio", voices, "voices")):
        found[f"emotion_{stream}_majority"] = BaselineStage(
            label=f"Emotion of {what}: majority class", section=PRETRAINING, kind="majority", data=source, **asked
        )
        model: ModelConfig = visual(variant) if stream == "visual" else audio(variant)
        start = published if stream == "visual" else ()
        found[f"emotion_{stream}"] = row(f"Emotion of {what}", PRETRAINING, model, variant, start, data=source, **asked)
    return found


def references(section: str, variant: Variant) -> dict[str, StageConfig]:
    """The trivial baselines of a table, "Table 2. ...", which look at nothing but, one of them, the gender."""
    table = section.partition(".")[0]
    found = trivial_baselines(data(("speech",), variant), TASKS, metrics=METRICS[:-1], section=section)
    for stage in found.values():
        stage.label = f"{table}: {stage.label.lower()}"
    return {f"{table.lower().replace(' ', '')}_{name}": stage for name, stage in found.items()}


def samples(corpus: str, task: str, label: str, variant: Variant) -> SamplesStage:
    """Some of the faces that the networks are given; shown of the stand-in alone, unless the user says otherwise."""
    source = data(("face",), variant, corpus)
    return SamplesStage(
        label=label, data=source, feature="face", task=task, frames=min(variant.frames, 6), pictures=variant.synthetic
    )


def published(table: str, **figures: float) -> tuple[Published, ...]:
    """Figures of a row, each the only one that is printed; those of precision and recall are of the test set of Table 1."""
    return tuple(
        Published(metric, figure=figure, source=table, scored=SCORED if metric == "precision" else ())
        for metric, figure in figures.items()
    )


def experiment(name: str, title: str, description: str, variant: Variant, stages: dict[str, StageConfig]) -> Experiment:
    """An experiment of this system with 20 seeds; `map` is the mapper for a CPU."""
    return Experiment(
        name=f"face_speech_{name}",
        title=f"Face and speech{title}",
        description=description,
        system="face_speech",
        source=PAPER,
        seeds=Seeds(count=20),
        mapping=Mapping(mapper="map" if variant.synthetic else "auto"),
        stages=stages,
    )
