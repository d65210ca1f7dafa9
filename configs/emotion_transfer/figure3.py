"""Figure 3: the sentiment that the MOSEI models find in depressed and in healthy participants of DAIC-WOZ's training set.

    python -m jaxdep.main --config=configs/emotion_transfer/figure3.py --workdir=runs/figure3 --data_dir=DIR
    python -m jaxdep.main --config=configs/emotion_transfer/figure3.py:synthetic --workdir=runs/figure3_synthetic

DIR holds `cmu_mosei/` and `daic_woz/`.
"""

from configs.emotion_transfer import _shared as shared
from configs.emotion_transfer import figure2
from jaxdep.config import Experiment


def get_config(variant: str = "") -> Experiment:
    """The experiment; `variant` is "" or "synthetic"."""
    synthetic = shared.is_synthetic("figure3.py", variant)
    return shared.experiment(
        "figure3",
        "Emotion transfer, Figure 3: sentiment in the depression data, by models trained on CMU-MOSEI",
        "The probability of each sentiment, averaged over the turns of depressed and of healthy participants.",
        synthetic,
        figure2.stages(3, "mosei", synthetic),
    )
