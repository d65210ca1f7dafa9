"""Table III, DAIC-WOZ: AMM and its eight baselines on the depression of utterances, 20 seeds.

    python -m jaxdep.main --config=configs/amm/table3_daic.py --workdir=runs/amm_table3_daic --data_dir=DIR
    python -m jaxdep.main --config=configs/amm/table3_daic.py:synthetic --workdir=runs/amm_table3_daic_synthetic

DIR holds `daic_woz/`, and in it `utterance_emotions.csv`, in which you say which utterances are sad: none of the authors' labels
was released. `python -m input_pipeline.list_utterances --corpus=daic_woz_utterances --data_dir=DIR` writes it without emotions.
Without the file there is `:depression`, in which AMM tells depression alone. Words are states of BERT-base and RoBERTa-base,
fetched from the hub at first, or, of SVM, DCNN, BiGRU, HAN and MHA-BiLSTM, hashed, and the page says so; with `:glove`
GloVe's, as in table3_mgid.py. In the place of video stands what CLNF said of the face. `:synthetic` has hashed words and
narrower networks on the stand-in, for two CPU cores.
"""

import dataclasses
from typing import Any

from configs.amm import _baselines as baselines
from configs.amm import _daic as daic
from configs.amm import _shared as shared
from configs.amm.table3_mgid import METRICS, OURS, published
from input_pipeline.config import ConfigError
from jaxdep.config import Experiment, ScoredStage, StabilityStage, StageConfig, Task, TrainStage
from jaxdep.models.amm_baselines import PictureCNN

TABLE = f"Table III. AMM and its baselines (DAIC-WOZ): {daic.PROTOCOL}"
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


def face_network(synthetic: bool) -> PictureCNN:
    """The six convolutions of a picture, over the frames of the face."""
    sizes: dict[str, Any] = {"channels": (8, 8, 16, 16, 16, 16), "units": 16} if synthetic else {}
    return PictureCNN(feature="image", layout="sequence", **sizes)


def baseline(name: str, variant: str) -> ScoredStage:
    """A baseline, which tells depression alone; of the SVM the visual words are of frames of the face."""
    synthetic = variant == "synthetic"
    known = {**baselines.texts(variant), **daic.features(synthetic)}
    return baselines.row(
        name,
        lambda names: daic.data(known, dict.fromkeys(names), synthetic),
        {"depressed": Task(class_weights="equal")},
        synthetic=synthetic,
        picture=face_network(synthetic),
        counted="image",
        published={} if synthetic else {name: published(FIGURES[name])},
        section=TABLE,
        metrics=METRICS,
    )


def amm(modalities: str, variant: str) -> TrainStage:
    """AMM on some modalities, both tasks, or depression alone."""
    tasks = ("depressed",) if variant == "depression" else shared.TASKS
    figures = {"depressed": published(FIGURES[modalities])}
    row = daic.row(OURS[modalities], TABLE, modalities, tasks, variant == "synthetic", figures)
    return dataclasses.replace(row, metrics=METRICS)


def stages(variant: str) -> dict[str, StageConfig]:
    """The references, the eight baselines, AMM and its halves; and what AMM and its halves decide on participants."""
    ours = {f"amm_{modalities}": amm(modalities, variant) for modalities in OURS}
    return {
        **daic.references(TABLE, variant == "synthetic"),
        **{name: baseline(name, variant) for name in baselines.LABELS},
        **ours,
        **{f"{name}_participants": daic.participant(name, stage) for name, stage in ours.items()},
        "spread": StabilityStage(
            label="AMM against each baseline",
            section="Stability",
            rows=("amm_tv",),
            against=tuple(name for name in baselines.LABELS if name != "svm"),  # which has no seeds
            metric="f1_micro",
            data=ours["amm_tv"].data,
        ),
    }


def get_config(variant: str = "") -> Experiment:
    """The experiment; `variant` is "", "depression", "glove" or "synthetic"."""
    known = (*filter(None, baselines.VARIANTS), "depression")
    if variant not in ("", *known):
        raise ConfigError(
            f"configs/amm/table3_daic.py:{variant}: there is no such variant; there are {', '.join(known)}"
        )
    synthetic = variant == "synthetic"
    return shared.experiment(
        "table3_daic",
        ", Table III: AMM and its baselines on DAIC-WOZ",
        daic.described("Depression of the utterances of interviews, told by AMM and by eight baselines.", synthetic),
        synthetic,
        stages(variant),
    )
