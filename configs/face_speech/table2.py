"""Table 2: an SVM on handcrafted features, the face alone, speech alone, and both, 20 seeds.

    python -m jaxdep.main --config=configs/face_speech/table2.py --workdir=runs/face_speech_table2 --data_dir=DIR
    python -m jaxdep.main --config=configs/face_speech/table2.py:synthetic --workdir=runs/face_speech_table2_synthetic

DIR holds `talking_faces/` and `emodb/`, as README.md says; `:small` is ResNet-18 on faces of 112 x 112. Each seed learns emotions
first, from the published ResNet on (which Hugging Face's hub or a folder gives), and depression after that.
"""

from configs.face_speech import _shared as shared
from jaxdep.config import BaselineStage, Experiment, Published, StageConfig

TABLE = "Table 2. Each modality alone, and both"
# Accuracy, precision, recall and F1 as printed.
FIGURES = {
    "svm": (0.753, 0.761, 0.740, 0.750),
    "visual": (0.813, 0.825, 0.797, 0.811),
    "audio": (0.800, 0.812, 0.783, 0.797),
    "both": (0.895, 0.903, 0.885, 0.894),
}
NETWORKS = ("visual", "audio", "both")


def figures(name: str) -> tuple[Published, ...]:
    """The paper's of a row."""
    return shared.published("Table 2", **dict(zip(shared.METRICS, FIGURES[name], strict=False)))


def stages(variant: shared.Variant) -> dict[str, StageConfig]:
    """What the networks see, the pretraining, the references, and the four rows of the table."""
    samples: dict[str, StageConfig] = {
        f"samples_{name}": shared.samples(corpus, task, label, variant)
        for name, corpus, task, label in (
            ("emotions", "emotion_faces", "emotion", "What the network sees of emotions"),
            ("faces", "talking_faces", shared.TASK, "What the network sees of participants"),
        )
    }
    svm = BaselineStage(
        kind="svm",
        label="SVM, handcrafted features",
        section=TABLE,
        data=shared.data(("gradients", "prosody", "speech"), variant),
        tasks=shared.TASKS,
        metrics=shared.METRICS,
        published=() if variant.synthetic else figures("svm"),
    )
    alone = {"visual": shared.visual(variant), "audio": shared.audio(variant)}
    labels = {"visual": "Face alone", "audio": "Speech alone"}
    rows: dict[str, StageConfig] = {
        name: shared.row(labels[name], TABLE, model, variant, shared.from_emotions(name), figures(name))
        for name, model in alone.items()
    }
    rows["both"] = shared.row(
        "Face and speech",
        TABLE,
        shared.joint(variant),
        variant,
        shared.from_emotions("visual", "audio"),
        figures("both"),
    )
    return {**samples, **shared.pretraining(variant), **shared.references(TABLE, variant), "svm": svm, **rows}


def get_config(variant: str = "") -> Experiment:
    """The experiment; `variant` is "", "small" or "synthetic"."""
    chosen = shared.variant_of("table2.py", variant)
    return shared.experiment(
        "table2",
        ", Table 2: face, speech and both",
        "Networks that learnt emotions decide who is depressed, from the face, from speech, and from both.",
        chosen,
        stages(chosen),
    )
