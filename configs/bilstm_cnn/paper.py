"""The whole paper on one page: Table I, Figure 1 and the two kinds of fusion, every network trained once, 20 seeds.

python -m jaxdep.main --config=configs/bilstm_cnn/paper.py --workdir=runs/bilstm_cnn --data_dir=DIR
python -m jaxdep.main --config=configs/bilstm_cnn/paper.py:synthetic --workdir=runs/bilstm_cnn_synthetic

`:glove` and `:bert` have learnt vectors of words, as table1.py says; without either they are hashed.
"""

from configs.bilstm_cnn import figure1, fusion, table1
from jaxdep.config import Experiment


def get_config(variant: str = "") -> Experiment:
    """The experiment; `variant` is "", "glove", "bert" or "synthetic"."""
    table1.check_variant("paper.py", variant)
    rows = table1.stages(variant)
    rows["joint"] = figure1.stages(variant)["joint"]
    text = {name: stage for name, stage in fusion.members(variant).items() if name not in rows}
    return table1.experiment(
        "paper",
        "Bi-LSTM-CNN: text and speech, alone and fused",
        "Six networks of Table I and the text part of the joint one, on windows of the participant's turns, then their "
        "decisions calibrated and fused, with everything there and with a modality missing.",
        variant,
        {**rows, **text, **fusion.fused(variant)},
    )
