"""Table III, DAIC-WOZ: AMM and its eight baselines on the depression of utterances, 20 seeds.

    python -m jaxdep.main --config=configs/amm/table3_daic.py --workdir=runs/amm_table3_daic --data_dir=DIR
    python -m jaxdep.main --config=configs/amm/table3_daic.py:synthetic --workdir=runs/amm_table3_daic_synthetic

DIR holds `daic_woz/`, and in it `utterance_emotions.csv`, in which you say which utterances are sad: none of the authors' labels
was released. `python -m input_pipeline.list_utterances --corpus=daic_woz_utterances --data_dir=DIR` writes it without emotions.
Without the file there is `:depression`, in which AMM tells depression alone. Words are states of BERT-base and RoBERTa-base,
fetched from the hub at first, or, of SVM, DCNN, BiGRU, HAN and MHA-BiLSTM, hashed, and the page says so; with `:glove` GloVe's, from
`DIR/glove/glove.6B.300d.txt`. In the place of video stands what CLNF said of the face. `:synthetic` has hashed words and narrower
networks on the stand-in, for two CPU cores.
"""

from collections.abc import Sequence

from configs.amm import _baselines as baselines
from configs.amm import _daic as daic
from configs.amm import _shared as shared
from input_pipeline.config import ConfigError
from jaxdep.config import Data, Experiment, Published, ScoredStage, StageConfig, Task, TrainStage
from jaxdep.models.amm_baselines import PictureCNN

TABLE = f"Table III. AMM and its baselines (DAIC-WOZ): {daic.PROTOCOL}"
METRICS = (*shared.METRICS, "precision", "recall")
VARIANTS = ("depression", *baselines.VARIANTS)
# Precision, recall and micro-F1 as printed.
FIGURES = {
    "svm": (0.513, 0.497, 0.501),
    "dcnn": (0.551, 0.566, 0.565),
    "bigru": (0.539, 0.525, 0.528),
    "han": (0.587, 0.592, 0.590),
    "mha_bilstm": (0.574, 0.585, 0.583),
    "bert": (0.672, 0.668, 0.668),
    "rcnn_roberta": (0.673, 0.669, 0.671),
    "transformer": (0.665, 0.675, 0.675),
    "t": (0.667, 0.672, 0.672),
    "v": (0.636, 0.640, 0.640),
    "tv": (0.694, 0.686, 0.685),
}
OURS = {"t": "Text-AMM", "v": "Image-AMM", "tv": "AMM"}  # by `daic.MODALITIES`
