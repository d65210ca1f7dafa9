"""Figure 1: the confusion matrix of Bi-LSTM-CNN on text and speech, 20 seeds.

python -m jaxdep.main --config=configs/bilstm_cnn/figure1.py --workdir=runs/bilstm_cnn_figure1 --data_dir=DIR
python -m jaxdep.main --config=configs/bilstm_cnn/figure1.py:synthetic --workdir=runs/bilstm_cnn_figure1_synthetic

`:glove` and `:bert` have learnt vectors of words, as table1.py says; without either they are hashed.
"""

from configs.bilstm_cnn import table1
from jaxdep.config import Experiment, StageConfig, trivial_baselines

RECALLS = ("recall_of_healthy", "recall_of_depressed")
SHARES = (
    "Of Figure 1 the paper says that both classes are right in more than 80 % of the cases; Table I's WA of 69.38 and UA "
    "of 70.71 for the same model contradict that, whichever formula made them."
)


def stages(variant: str) -> dict[str, StageConfig]:
    """The joint network with the recall of each class, beside the trivial baselines."""
    joint = table1.joint(variant)
    joint.metrics = (*RECALLS, *table1.METRICS)
    joint.note = f"{joint.note} {SHARES}"
    trivial = trivial_baselines(joint.data, table1.TASKS, metrics=(*RECALLS, *table1.CONFUSION_METRICS))
    return {**trivial, "joint": joint}


def get_config(variant: str = "") -> Experiment:
    """The experiment; `variant` is "", "glove", "bert" or "synthetic"."""
    table1.check_variant("figure1.py", variant)
    return table1.experiment(
        "figure1",
        "Bi-LSTM-CNN, Figure 1: confusion matrix",
        "The joint network on text and speech: of each class, how much is recognised.",
        variant,
        stages(variant),
    )
