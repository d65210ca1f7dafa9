"""What the experiments of AMM have in common: corpus, features, network, schedule.

What the paper does not tell is decided here; README.md says why. This file is no experiment.
"""

from collections.abc import Sequence
from typing import Any

from input_pipeline.batching import Arrangement
from input_pipeline.config import ConfigError
from input_pipeline.features import Feature, HsvHistogram, ImageStates, Words
from jaxdep.config import (
    BaselineStage,
    Data,
    Experiment,
    Further,
    Mapping,
    Optimizer,
    Published,
    Seeds,
    Splits,
    StageConfig,
    StandIn,
    Task,
    Training,
    TrainStage,
    trivial_baselines,
)
from jaxdep.models.amm import AMM

PAPER = "Zhang et al., Multi-Task Learning for Jointly Detecting Depression and Emotion (BIBM 2021)"
TASKS = ("depressed", "emotion")
NAMES = {"depressed": "depression", "emotion": "emotion"}
METRICS = ("f1_micro", "balanced_accuracy", "f1_macro", "precision_macro", "recall_macro", "accuracy")
ZONES = 4  # of an image, from top to bottom

# By what the names of stages end in: the corpus, and what its tables are called.
OFFICIAL = "_official"
PROTOCOLS = {"": ("mgid_repaired", "nothing on two sides"), OFFICIAL: ("mgid", "the authors' splits")}
MODALITIES = {"t": ("text",), "v": ("image", "colour"), "tv": ("text", "image", "colour")}


def is_synthetic(file: str, variant: str) -> bool:
    """Whether the variant is the one on stand-ins; raises ConfigError where it is none."""
    if variant not in ("", "synthetic"):
        raise ConfigError(f"configs/amm/{file}:{variant}: there is no such variant; there is synthetic")
    return variant == "synthetic"


def data(corpus: str, modalities: Sequence[str], synthetic: bool) -> Data:
    """Title and text word by word, the picture zone by zone, its colours (section III.B, III.C)."""
    features: dict[str, Feature] = {
        "text": Words(dim=64) if synthetic else Words(encoder="bert", checkpoint="bert-base-uncased", dim=768),
        "image": HsvHistogram(zones=ZONES)
        if synthetic
        else ImageStates(zones=ZONES, checkpoint="google/efficientnet-b0", dim=1280),
        "colour": HsvHistogram(),
    }
    levels = {"text": Arrangement(level="frames", max_frames=64), "image": Arrangement(level="frames")}
    levels["colour"] = Arrangement(level="vector")
    return Data(
        corpus=corpus,
        stand_in=StandIn(sessions=600) if synthetic else None,
        features={name: features[name] for name in modalities},
        arrangements={name: levels[name] for name in modalities},
        splits=Splits(train=("train",), validation=("dev",), test=("test",)),
        file_format="array_record",
    )


def network(modalities: Sequence[str], synthetic: bool, **changes: Any) -> AMM:
    """AMM on some modalities; MGID does not know genders."""
    sizes = {"hidden": 32, "image_hidden": 32, "attention_units": 32, "heads": 4, "head_dim": 8, "task_hidden": 32}
    return AMM(
        text="text" if "text" in modalities else "",
        image="image" if "image" in modalities else "",
        colour="colour" if "colour" in modalities else "",
        dropout=0.2,
        **(sizes if synthetic else {}),
        **changes,
    )


def row(
    label: str,
    table: str,
    end: str,
    modalities: str,
    tasks: Sequence[str],
    synthetic: bool,
    figures: dict[str, tuple[Published, ...]],
    **changes: Any,
) -> TrainStage:
    """A network; its first task is in a row of the label, another one in a row that is called by the task.

    Args:
        end: a key of `PROTOCOLS`.
        modalities: a key of `MODALITIES`.
        figures: the paper's, by task; they stand beside the authors' splits.
        changes: of the model's fields.
    """
    names, (corpus, said) = MODALITIES[modalities], PROTOCOLS[end]
    return trained(
        f"{label}, {said}" if end else label,
        f"{table}: {said}",
        tasks,
        data(corpus, names, synthetic),
        network(names, synthetic, **changes),
        Optimizer(name="adam", learning_rate=0.005, weight_decay=1e-5),
        figures if end == OFFICIAL and not synthetic else {},
        synthetic,
    )


def trained(
    label: str,
    section: str,
    tasks: Sequence[str],
    data: Data,
    model: AMM,
    optimizer: Optimizer,
    figures: dict[str, tuple[Published, ...]],
    synthetic: bool,
) -> TrainStage:
    """A network's row, as `row` says, of whatever corpus."""
    return TrainStage(
        label=label,
        section=section,
        data=data,
        tasks={task: Task(class_weights="equal") for task in tasks},
        metrics=METRICS,
        published=figures.get(tasks[0], ()),
        model=model,
        optimizer=optimizer,
        training=Training(epochs=20 if synthetic else 100, batch_size=64, monitor="loss", epochs_per_call=5),
        further=tuple(
            Further(label=NAMES[task], against=task, task=task, metrics=METRICS, published=figures.get(task, ()))
            for task in tasks[1:]
        ),
    )


def references(table: str, end: str, task: str, synthetic: bool) -> dict[str, StageConfig]:
    """Trivial classifiers, and a logistic regression on the mean word vector and the mean colours; by the stage's name."""
    corpus, said = PROTOCOLS[end]
    both = data(corpus, MODALITIES["tv"], synthetic)
    found = references_of(both, f"{table}: {said}", task, f", {said}" if end else "", genders=False)
    return {f"{name}{end}": stage for name, stage in found.items()}


def references_of(both: Data, section: str, task: str, said: str, *, genders: bool) -> dict[str, StageConfig]:
    """The same of whatever corpus.

    Args:
        both: of the logistic regression.
        said: ends the labels.
        genders: whether the corpus knows them.
    """
    asked: dict[str, Any] = {"tasks": {task: Task(class_weights="equal")}, "metrics": METRICS, "section": section}
    found: dict[str, StageConfig] = {
        **trivial_baselines(both, genders=genders, binary=task == "depressed", **asked),
        "logistic": BaselineStage(kind="logistic", label="Logistic regression, T+V", data=both, **asked),
    }
    for stage in found.values():
        stage.label = f"{NAMES[task].capitalize()}: {stage.label}{said}"
    return {f"{task}_{name}": stage for name, stage in found.items()}


def published(source: str, figures: tuple[float, float]) -> tuple[Published, ...]:
    """Micro-F1 and "Acc" as printed. Of one label an example micro-F1 is the accuracy, so that "Acc" may be either kind."""
    micro, accuracy = figures
    return (
        Published("f1_micro", figure=micro, source=source),
        Published("balanced_accuracy", figure=accuracy, source=source, readings=("accuracy",)),
    )


def experiment(name: str, title: str, description: str, synthetic: bool, stages: dict[str, StageConfig]) -> Experiment:
    """An experiment of this system with 20 seeds; `map` is the mapper for a CPU."""
    return Experiment(
        name=f"amm_{name}",
        title=f"AMM{title}",
        description=description,
        system="amm",
        source=PAPER,
        seeds=Seeds(count=20),
        mapping=Mapping(mapper="map" if synthetic else "auto"),
        stages=stages,
    )
