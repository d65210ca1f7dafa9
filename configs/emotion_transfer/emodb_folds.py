"""The audio branch on Berlin EmoDB over all ten divisions of the speakers, each beside its SVM.

Fold k tests speakers k and k+1 of the list and validates on k+2, so that each speaker is tested twice. See emodb.py.

    python -m jaxdep.main --config=configs/emotion_transfer/emodb_folds.py --workdir=runs/emodb_folds --data_dir=DIR

`:small` is for CPU cores: at width 128 each fold takes as long as emodb.py:small; `--config.seeds.count=3` shortens it.
"""

from configs.emotion_transfer import emodb
from jaxdep.config import Experiment


def get_config(variant: str = "") -> Experiment:
    experiment = emodb.get_config(variant)
    width = emodb.width_of(variant)
    experiment.name = "emodb_folds"
    experiment.title += ", ten folds"
    experiment.description = (
        "Anger, happiness, neutral and sadness in acted German speech; each fold tests two of ten speakers, chooses the "
        "epoch on a third, and trains on the other seven."
    )
    experiment.stages = {
        f"fold{index}_{name}": stage
        for index in range(len(emodb.SPEAKERS))
        for name, stage in emodb.stages(emodb.fold(index), width=width, prefix=f"Fold {index}: ").items()
        if name != "majority"
    }
    return experiment
