"""The whole paper on one page: Table I, Figure 1 and the two kinds of fusion, every network trained once, 20 seeds.

python -m jaxdep.main --config=configs/bilstm_cnn/paper.py --workdir=runs/bilstm_cnn --data_dir=DIR
python -m jaxdep.main --config=configs/bilstm_cnn/paper.py:synthetic --workdir=runs/bilstm_cnn_synthetic
"""

from configs.bilstm_cnn import figure1, fusion, table1
from jaxdep.config import Experiment


def get_config(variant: str = "") -> Experiment:
    """The experiment; `variant` is "" or "synthetic"."""
    synthetic = table1.is_synthetic("paper.py", variant)
    rows = table1.stages(synthetic)
    rows["joint"] = figure1.stages(synthetic)["joint"]
    text = {name: stage for name, stage in fusion.members(synthetic).items() if name not in rows}
    return table1.experiment(
        "paper",
        "Bi-LSTM-CNN: text and speech, alone and fused",
        "Six networks of Table I and the text part of the joint one, on windows of the participant's turns, then their "
        "decisions calibrated and fused, with everything there and with a modality missing.",
        synthetic,
        {**rows, **text, **fusion.fused(synthetic)},
    )
