"""What the experiments of EmoAudioNet have in common: corpora and features, who is tested, networks, schedule.

What the paper does not tell is decided here; README.md says why. This file is no experiment.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

from input_pipeline.batching import Arrangement
from input_pipeline.config import ConfigError
from input_pipeline.features import Feature, Mfcc, Perturbation, SpectrogramImage, SpeechWindows
from jaxdep.config import (
    BaselineStage,
    Data,
    Experiment,
    Levels,
    Mapping,
    Optimizer,
    Published,
    Sampling,
    Seeds,
    Splits,
    StageConfig,
    StandIn,
    Start,
    Task,
    Training,
    TrainStage,
    trivial_baselines,
)
from jaxdep.losses import Huber
from jaxdep.models import ModelConfig
from jaxdep.models.emoaudionet import EmoAudioNet, MfccCNN, SpectrogramCNN

PAPER = (
    "Othmani et al., Towards Robust Deep Neural Networks for Affect and Depression Recognition from Speech (ICPR 2020)"
)
REPORT: tuple[Literal["validation", "test"], ...] = ("validation", "test")  # the paper's development and test set
LABELS = {"mfcc": "MFCC-based CNN", "spectrogram": "Spectrogram-based CNN", "emoaudionet": "EmoAudioNet"}
LEAKY = "windows divided"
SUBSETS = {
    False: ("dev-clean",),
    True: ("train-clean-100", "dev-clean", "test-clean"),
}  # by whether they are a stand-in's
PRETRAINING = "Pretraining. Gender from read speech (LibriSpeech)"

# Of each recording that is trained on (section III.A.5): noise, and pitches that are lower by as many semitones. On the
# stand-ins one copy has both.
COPIES = (
    *(Perturbation(noise=noise) for noise in (0.01, 0.02, 0.03)),
    *(Perturbation(semitones=-semitones) for semitones in (0.5, 2.0, 5.0)),
)
COPY_SYNTHETIC = (Perturbation(noise=0.02, semitones=-2.0),)

# Everybody, of whom a fifth is tested, the same for all seeds, and a tenth of the others validates (section IV.B).
PEOPLE = Splits(by="participant", train=(), validation=(), test=(), test_fraction=0.2, validation_fraction=0.1)
# The paper's division, by the authors' code: of windows, so that everybody who is tested was trained on too.
WINDOWS = dataclasses.replace(PEOPLE, leaky=True)


@dataclasses.dataclass(frozen=True)
class Corpus:
    """What is asked of a corpus.

    Attributes:
        stand_in: in its place.
        windows: of a recording's speech.
        levels: the labels that are made of its scores.
        drawn, drawn_synthetic: so many windows of each recording an epoch, drawn anew (0: all).
        copied: whether there are `COPIES`. The images of DAIC-WOZ's windows are some 27 GB, and seven times as many with
            them; those of LibriSpeech's 40 readers some 6 GB.
    """

    stand_in: StandIn
    windows: SpeechWindows
    levels: dict[str, Levels]
    drawn: int
    drawn_synthetic: int
    copied: bool = False


CORPORA = {
    "librispeech": Corpus(StandIn(sessions=40), SpeechWindows(), {}, 4, 1),
    # A recording is a window, which lies where its ratings do: no pause is cut out.
    "recola": Corpus(
        StandIn(sessions=12),
        SpeechWindows(pause_s=0.0),
        {f"{name}_level": Levels(of=name) for name in ("arousal", "valence")},
        0,
        0,
        copied=True,
    ),
    "daic_woz": Corpus(
        StandIn(sessions=60),
        SpeechWindows(),
        {
            "severity_24": Levels(of="phq8_score", lowest=-0.5, highest=23.5, count=24),
            "severity_25": Levels(of="phq8_score", lowest=-0.5, highest=24.5, count=25),
        },
        32,
        6,
    ),
}


@dataclasses.dataclass(frozen=True)
class Variant:
    """How an experiment is run.

    Attributes:
        synthetic: on the stand-ins, with small images, few channels and few epochs.
        one: whether all seeds start from one pretrained model, in place of each from its own.
    """

    synthetic: bool = False
    one: bool = False


def variant_of(file: str, name: str, *, pretrains: bool = True) -> Variant:
    """The variant of that name; raises ConfigError where the file has none of it."""
    known = {"": Variant(), "synthetic": Variant(synthetic=True)}
    if pretrains:
        known |= {"one": Variant(one=True), "synthetic_one": Variant(synthetic=True, one=True)}
    if name not in known:
        others = ", ".join(filter(None, known))
        verb = "are" if pretrains else "is"
        raise ConfigError(f"configs/emoaudionet/{file}:{name}: there is no such variant; there {verb} {others}")
    return known[name]


def data(
    corpus: str,
    modalities: tuple[str, ...],
    splits: Splits,
    size: int,
    synthetic: bool,
    copies: tuple[Perturbation, ...] = (),
) -> Data:
    """Windows of 2.5 s every 0.5 s of a recording's speech, the same for image and cepstral vector.

    Args:
        size: of an image, in pixels; of no effect on vectors alone.
        copies: of each recording, for those who train.
    """
    asked = CORPORA[corpus]
    features: dict[str, Feature] = {
        "image": SpectrogramImage(of="window", size=size, windows=asked.windows),
        "mfcc": Mfcc(windows=asked.windows),
    }
    arrangements = {"image": Arrangement(level="image"), "mfcc": Arrangement(level="frame")}
    return Data(
        corpus=corpus,
        levels=asked.levels,
        stand_in=asked.stand_in if synthetic else None,
        features={name: features[name] for name in modalities},
        arrangements={name: arrangements[name] for name in modalities},
        splits=splits,
        file_format="array_record",
        copies=copies,
    )


def networks(synthetic: bool) -> dict[str, ModelConfig]:
    """The three networks (section IV.B), with small images and few channels on the stand-ins."""
    mfcc = MfccCNN(channels=16) if synthetic else MfccCNN()
    image = SpectrogramCNN(image_size=16, pool=4, channels=12) if synthetic else SpectrogramCNN()
    return {"mfcc": mfcc, "spectrogram": image, "emoaudionet": EmoAudioNet(spectrogram=image, mfcc=mfcc)}


def row(
    label: str,
    section: str,
    network: str,
    corpus: str,
    task: str,
    metrics: tuple[str, ...],
    splits: Splits,
    variant: Variant,
    published: tuple[Published, ...] = (),
) -> TrainStage:
    """A network on one task (section IV.B); what a recording is, is the mean over its windows."""
    model, synthetic = networks(variant.synthetic)[network], variant.synthetic
    asked = CORPORA[corpus]
    copies = (COPY_SYNTHETIC if synthetic else COPIES) if asked.copied else ()
    return trained(
        label,
        data(
            corpus,
            tuple(model.takes()),
            splits,
            16 if synthetic else 224,
            synthetic,
            copies,
        ),
        task,
        metrics,
        model,
        small=synthetic,
        epochs=10 if synthetic else 500,
        drawn=asked.drawn_synthetic if synthetic else asked.drawn,
        section=section,
        report=REPORT,
        score_windows=corpus != "recola",  # of which every recording is one
        published=() if synthetic else published,
    )


def trained(
    label: str,
    source: Data,
    task: str,
    metrics: tuple[str, ...],
    model: ModelConfig,
    *,
    small: bool,
    epochs: int,
    drawn: int,
    **fields: Any,
) -> TrainStage:
    """A network on one task, with the paper's schedule.

    Args:
        small: whether images and channels are few, so that steps may be larger and batches smaller.
        drawn: so many windows of each recording an epoch (0: all).
        fields: others of the stage.
    """
    return TrainStage(
        label=label,
        data=source,
        tasks={task: Task(class_weights="equal")},
        metrics=metrics,
        model=model,
        optimizer=Optimizer(name="rmsprop", learning_rate=1e-3 if small else 1e-4),
        training=Training(
            epochs=epochs,
            batch_size=32 if small else 100,
            monitor="accuracy",
            patience=10,
            plateau_patience=5,
            epochs_per_call=5,
            sampling=Sampling(per_recording=drawn),
        ),
        **fields,
    )


def references(
    prefix: str,
    section: str,
    corpus: str,
    task: str,
    metrics: tuple[str, ...],
    splits: Splits,
    variant: Variant,
    *,
    binary: bool = False,
) -> dict[str, StageConfig]:
    """What is scored beside the networks: trivial classifiers, and a logistic regression on a recording's mean vector.

    Args:
        prefix: of the labels.
        binary: whether the task has a positive class, and the corpus knows genders.
    """
    vectors = data(corpus, ("mfcc",), splits, 0, variant.synthetic)
    tasks = {task: Task(class_weights="equal")}
    found: dict[str, StageConfig] = {
        **trivial_baselines(
            vectors, tasks, binary=binary, genders=binary, metrics=metrics, report=REPORT, section=section
        ),
        "logistic": BaselineStage(
            kind="logistic",
            label="Logistic regression, mean MFCC",
            section=section,
            data=vectors,
            tasks=tasks,
            metrics=metrics,
            report=REPORT,
        ),
    }
    if levels := CORPORA[corpus].levels.get(task):
        found["median"] = BaselineStage(
            kind="median",
            label="Median score",
            section=section,
            data=vectors,
            tasks={levels.of: Task(loss=Huber())},
            metrics=("mae", "rmse"),
            report=REPORT,
        )
    for stage in found.values():
        stage.label = f"{prefix}: {stage.label.lower().replace('mfcc', 'MFCC')}"
    return found


def published(
    source: str, figures: Sequence[tuple[float, float, float]], reading: str, *, windows: bool = False
) -> tuple[Published, ...]:
    """Accuracy, CC and RMSE of a row, of the development set and of the test set.

    Args:
        reading: what else the CC may be than a correlation with one-hot targets, as that is not told.
    """
    found = []
    for split, (accuracy, correlation, error) in zip(REPORT, figures, strict=True):
        of_split = (
            Published("accuracy", figure=accuracy),
            Published("pearson_one_hot", figure=correlation, readings=(reading,)),
            Published("rmse_one_hot", figure=error),
        )
        found += [dataclasses.replace(one, source=source, split=split, windows=windows) for one in of_split]
    return tuple(found)


def protocols(people: Splits = PEOPLE) -> dict[str, tuple[Splits, str]]:
    """Who is tested, by what the names of stages end in, each with the end of the labels: nobody on two sides, and leaky."""
    return {"": (people, ""), "_leaky": (WINDOWS, f", {LEAKY}")}


def section_of(table: str, leaky: bool) -> str:
    """The heading of a table in one protocol."""
    return f"{table}: {'windows divided at random, as published' if leaky else 'nobody on two sides'}"


def pretraining(variant: Variant) -> dict[str, StageConfig]:
    """EmoAudioNet on gender, which other tasks start from (section III.A.6), and what stands beside it."""
    splits = dataclasses.replace(PEOPLE, by="split", train=SUBSETS[variant.synthetic])
    metrics = ("accuracy", "unweighted_accuracy", "f1_macro")
    asked = ("librispeech", "gender", metrics, splits, variant)
    beside = references("Gender", PRETRAINING, *asked)
    return {
        **{f"gender_{name}": stage for name, stage in beside.items()},
        "gender": row("Gender: EmoAudioNet", PRETRAINING, "emoaudionet", *asked),
    }


def pretrained(stage: TrainStage, variant: Variant) -> TrainStage:
    """The stage, its network started from the one of gender, with a decision of its own."""
    start = Start(stage="gender", seed="best" if variant.one else "each", without=("heads",))
    return dataclasses.replace(
        stage, label=stage.label.replace("EmoAudioNet", "EmoAudioNet pretrained"), start=(start,)
    )


def experiment(name: str, title: str, description: str, variant: Variant, stages: dict[str, StageConfig]) -> Experiment:
    """An experiment of this system with 20 seeds; `map` is the mapper for a CPU."""
    return Experiment(
        name=f"emoaudionet_{name}",
        title=f"EmoAudioNet{title}",
        description=description,
        system="emoaudionet",
        source=PAPER,
        seeds=Seeds(count=20),
        mapping=Mapping(mapper="map" if variant.synthetic else "auto"),
        stages=stages,
    )
