"""The whole paper on one page: Tables 1 to 3, Figures 2 and 3, the case study and the controls, 20 seeds.

    python -m jaxdep.main --config=configs/emotion_transfer/paper.py --workdir=runs/emotion_transfer --data_dir=DIR
    python -m jaxdep.main --config=configs/emotion_transfer/paper.py:synthetic --workdir=runs/emotion_transfer_synthetic

Six emotion models are trained, fixed, and applied to the interviews; every row of every table is trained once, the votes
are counted, the outputs analysed. DIR holds `iemocap/`, `cmu_mosei/` and `daic_woz/`; `:synthetic` needs nothing.
"""

from configs.emotion_transfer import _shared as shared
from configs.emotion_transfer import case_study, controls, figure2, table2, table3
from jaxdep.config import Experiment


def get_config(variant: str = "") -> Experiment:
    """The experiment; `variant` is "" or "synthetic"."""
    synthetic = shared.is_synthetic("paper.py", variant)
    compared = tuple(f"emotion_{name}" for name in table2.FIGURES)
    return shared.experiment(
        "paper",
        "Emotion transfer: depression detection by way of emotion",
        "Emotion models on two corpora, their features of interviews, detectors on audio, text and emotion, and their vote.",
        synthetic,
        {
            **table2.stages(synthetic),
            **table3.rows(table3.emotion_again(synthetic), compared, synthetic),
            **controls.stages(synthetic),
            "figure2": figure2.profile(2, "iemocap", synthetic),
            "figure3": figure2.profile(3, "mosei", synthetic),
            "case_study": case_study.case_study(synthetic),
        },
    )
