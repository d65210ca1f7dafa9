"""Table 2: depression from the features of six emotion models, 20 seeds each.

    python -m jaxdep.main --config=configs/emotion_transfer/table2.py --workdir=runs/table2 --data_dir=DIR
    python -m jaxdep.main --config=configs/emotion_transfer/table2.py:synthetic --workdir=runs/table2_synthetic

DIR holds `iemocap/`, `cmu_mosei/` and `daic_woz/`. The emotion models of Table 1 are trained first; of each the seed that
is best on its own validation split is fixed, and what enters its fusing layer (128, 320 or 448 numbers a turn) is the
input of a bi-LSTM over the participant's turns. As in the paper the split that is scored is DAIC-WOZ's dev.

The paper's seeds vary the initialisation: so do the rows beside its figures, of which all seeds validate on the same
participants, and vary the order and the dropout too. In a table of their own stand the same rows where each seed draws who
validates.
"""

from configs.emotion_transfer import _shared as shared
from configs.emotion_transfer import table1_iemocap, table1_mosei
from input_pipeline.batching import Arrangement
from input_pipeline.features import Extracted
from jaxdep.config import (
    Data,
    Experiment,
    ExtractStage,
    Optimizer,
    Published,
    StageConfig,
    Task,
    Training,
    TrainStage,
    trivial_baselines,
)
from jaxdep.models.emotion_transfer import DirectText

SECTION = "Table 2. Depression from emotion features"
SOURCE = "Wu et al. 2022, Table 2"
TASKS = {"depressed": Task()}
METRICS = ("f1", "unweighted_accuracy", "accuracy", "f1_macro")
FIGURES = {  # F1: MAX, AVG, STD
    "iemocap_a": (0.558, 0.529, 0.018),
    "iemocap_t": (0.621, 0.562, 0.022),
    "iemocap_at": (0.600, 0.554, 0.025),
    "mosei_a": (0.558, 0.534, 0.014),
    "mosei_t": (0.750, 0.718, 0.018),
    "mosei_at": (0.828, 0.771, 0.027),
}
SEGMENTS = Arrangement(level="segments")


def f1(figures: tuple[float, float, float], source: str) -> tuple[Published, ...]:
    """A published row: MAX, AVG and STD of F1."""
    highest, mean, spread = figures
    return (Published("f1", max=highest, avg=mean, std=spread, source=source),)


def extraction(pretrained: str, synthetic: bool) -> ExtractStage:
    """The features that a pretrained emotion model makes of the participant's turns."""
    form = pretrained.split("_")[1]
    return ExtractStage(
        of=pretrained,
        label=shared.FORMS[form],
        data=shared.interviews(shared.features(*shared.MODALITIES[form], synthetic=synthetic), SEGMENTS, synthetic),
    )


def emotion_features(pretrained: str, synthetic: bool) -> Data:
    """The interviews, as an emotion model's features of the participant's turns."""
    return shared.interviews({"emotion": Extracted(stage=f"features_{pretrained}")}, SEGMENTS, synthetic)


def detector(feature: str, synthetic: bool) -> DirectText:
    """The bi-LSTM that pools a session's segments."""
    return DirectText(feature=feature, hidden=32 if synthetic else 128, dropout=0.2)


def detection(synthetic: bool) -> tuple[Optimizer, Training]:
    """How every detector of an interview is trained."""
    return (
        Optimizer(learning_rate=3e-3 if synthetic else 1e-3, clip_norm=1.0),
        Training(epochs=20 if synthetic else 60, batch_size=16, epochs_per_call=5),
    )


def row(pretrained: str, synthetic: bool) -> TrainStage:
    """The bi-LSTM on the features of one emotion model."""
    corpus, form = pretrained.split("_")
    optimizer, training = detection(synthetic)
    return TrainStage(
        label=f"Emotion ({'IEMOCAP' if corpus == 'iemocap' else 'MOSEI'} {shared.FORMS[form]})",
        section=SECTION,
        data=emotion_features(pretrained, synthetic),
        tasks=TASKS,
        metrics=METRICS,
        model=detector("emotion", synthetic),
        optimizer=optimizer,
        training=training,
        published=() if synthetic else f1(FIGURES[pretrained], SOURCE),
    )


def trivial(synthetic: bool, section: str, prefix: str = "") -> dict[str, StageConfig]:
    """What is scored without looking at anything, on the same split; `prefix` tells rows of several tables apart."""
    text = shared.interviews(shared.features("text", synthetic=synthetic, context=0), SEGMENTS, synthetic)
    found = trivial_baselines(text, TASKS, metrics=METRICS)
    for stage in found.values():
        stage.section, stage.label = section, f"{prefix}: {stage.label.lower()}" if prefix else stage.label
    return {f"{prefix.lower().replace(' ', '')}_{name}" if prefix else name: stage for name, stage in found.items()}


def pretrained(synthetic: bool, corpora: tuple[str, ...] = ("iemocap", "mosei")) -> dict[str, StageConfig]:
    """Table 1 of the corpora."""
    tables = {
        "iemocap": table1_iemocap.stages(synthetic, table1_iemocap.fold(5)),
        "mosei": table1_mosei.stages(synthetic),
    }
    return {name: stage for corpus in corpora for name, stage in tables[corpus].items()}


def extracted(names: tuple[str, ...], synthetic: bool) -> dict[str, StageConfig]:
    """The extraction with each of these emotion models."""
    return {f"features_{name}": extraction(name, synthetic) for name in names}


def stages(synthetic: bool) -> dict[str, StageConfig]:
    """Table 1, the extractions, and the rows of Table 2 in both protocols."""
    rows = {**trivial(synthetic, SECTION), **{f"emotion_{name}": row(name, synthetic) for name in FIGURES}}
    return {**pretrained(synthetic), **extracted(tuple(FIGURES), synthetic), **rows, **shared.drawn(rows)}


def get_config(variant: str = "") -> Experiment:
    """The experiment; `variant` is "" or "synthetic"."""
    synthetic = shared.is_synthetic("table2.py", variant)
    return shared.experiment(
        "table2",
        "Emotion transfer, Table 2: depression from emotion features",
        "Six emotion models are trained, fixed, and read an interview turn by turn; a bi-LSTM decides on the session.",
        synthetic,
        stages(synthetic),
    )
