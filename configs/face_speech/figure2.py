"""Figure 2: the ROC curves of the rows of Table 2, with a band over 20 seeds.

    python -m jaxdep.main --config=configs/face_speech/figure2.py --workdir=runs/face_speech_figure2 --data_dir=DIR
    python -m jaxdep.main --config=configs/face_speech/figure2.py:synthetic --workdir=runs/face_speech_figure2_synthetic

DIR, and the variants, are those of table2.py, whose stages these are. The paper's curves are not in the text that is at hand,
which says that the proposed one lies above the others at every threshold.
"""

from configs.face_speech import _shared as shared
from configs.face_speech import table2
from jaxdep.config import Experiment, RocStage, StageConfig


def curves(variant: shared.Variant) -> dict[str, StageConfig]:
    """The figure, of the stages of table2.py."""
    return {
        "roc": RocStage(
            label="Figure 2. ROC curves",
            data=shared.data(("speech",), variant),
            rows=("svm", *table2.NETWORKS),
            task=shared.TASK,
        )
    }


def get_config(variant: str = "") -> Experiment:
    """The experiment; `variant` is "", "small" or "synthetic"."""
    chosen = shared.variant_of("figure2.py", variant)
    return shared.experiment(
        "figure2",
        ", Figure 2: ROC",
        "How many of the depressed are found at each rate of false alarms, from the face, from speech, and from both.",
        chosen,
        {**table2.stages(chosen), **curves(chosen)},
    )
