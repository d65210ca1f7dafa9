"""Table III, MGID: AMM and its eight baselines on depression, 20 seeds, in two protocols.

    python -m jaxdep.main --config=configs/amm/table3_mgid.py --workdir=runs/amm_table3_mgid --data_dir=DIR
    python -m jaxdep.main --config=configs/amm/table3_mgid.py:synthetic --workdir=runs/amm_table3_mgid_synthetic

DIR, the two protocols and `:synthetic` are those of table4.py; RoBERTa-base is fetched from the hub too. SVM, DCNN, BiGRU, HAN
and MHA-BiLSTM take vectors of words: hashed ones, and the page says so, or with `:glove` GloVe's, from
`DIR/glove/glove.6B.300d.txt` (another file, absolute or below DIR: `--config.stages.NAME.data.features.words.checkpoint`, of
HAN `.sentences.`). AMM and its halves learn emotion beside depression, the others depression alone. "Does one row beat another?"
on the page tells for each metric how likely a seed of AMM beats one of each baseline, with an interval; "Stability" compares
their spreads.
"""

import dataclasses
from collections.abc import Sequence

from configs.amm import _baselines as baselines
from configs.amm import _shared as shared
from input_pipeline.batching import Arrangement
from input_pipeline.config import ConfigError
from input_pipeline.features import Feature, GradientPatches, Pixels
from jaxdep.config import Data, Experiment, Published, StabilityStage, StageConfig, Task, TrainStage
from jaxdep.models.amm_baselines import PictureCNN

TABLE = "Table III. AMM and its baselines (MGID)"
METRICS = (*shared.METRICS, "precision", "recall")
# Precision, recall and micro-F1 as printed.
FIGURES = {
    "svm": (0.594, 0.597, 0.595),
    "dcnn": (0.612, 0.612, 0.611),
    "bigru": (0.627, 0.616, 0.619),
    "han": (0.653, 0.657, 0.656),
    "mha_bilstm": (0.662, 0.667, 0.664),
    "bert": (0.713, 0.718, 0.716),
    "rcnn_roberta": (0.724, 0.730, 0.728),
    "transformer": (0.725, 0.717, 0.722),
    "t": (0.721, 0.723, 0.721),
    "v": (0.645, 0.647, 0.646),
    "tv": (0.744, 0.740, 0.741),
}
OURS = {"t": "Text-AMM", "v": "Image-AMM", "tv": "AMM"}  # by `shared.MODALITIES`


def published(printed: tuple[float, float, float]) -> tuple[Published, ...]:
    """A row of the table. Of precision and recall the paper does not say whether they are means over the classes."""
    precision, recall, micro = printed
    return (
        Published("f1_micro", figure=micro, source="Table III"),
        Published("precision_macro", figure=precision, source="Table III", readings=("precision",)),
        Published("recall_macro", figure=recall, source="Table III", readings=("recall",)),
    )


def picture(synthetic: bool) -> PictureCNN:
    """The convolutions of a picture."""
    return PictureCNN(channels=(8,) * 6, image_size=16, units=16) if synthetic else PictureCNN()


def data(corpus: str, names: Sequence[str], variant: str) -> Data:
    """Of a stage that takes these features."""
    synthetic = variant == "synthetic"
    whole = shared.data(corpus, ("text", "image"), synthetic)
    found: dict[str, tuple[Feature, Arrangement]] = {
        **baselines.texts(variant),
        "image": (whole.features["image"], whole.arrangements["image"]),
        "pixels": (Pixels(size=picture(synthetic).image_size), Arrangement(level="image")),
        "patches": (GradientPatches(), Arrangement(level="frames")),
    }
    return dataclasses.replace(
        whole,
        features={name: found[name][0] for name in names},
        arrangements={name: found[name][1] for name in names},
    )


def amm(modalities: str, end: str, synthetic: bool) -> TrainStage:
    """AMM on some modalities, both tasks."""
    figures = {"depressed": published(FIGURES[modalities])}
    row = shared.row(OURS[modalities], TABLE, end, modalities, shared.TASKS, synthetic, figures)
    return dataclasses.replace(row, metrics=METRICS)


def stages(variant: str) -> dict[str, StageConfig]:
    """The references, the eight baselines, AMM and its halves, in both protocols."""
    found: dict[str, StageConfig] = {}
    synthetic = variant == "synthetic"
    for end, (corpus, said) in shared.PROTOCOLS.items():
        found |= shared.references(TABLE, end, "depressed", synthetic)
        figures = (
            {name: published(FIGURES[name]) for name in baselines.LABELS}
            if end == shared.OFFICIAL and not synthetic
            else {}
        )
        for name in baselines.LABELS:
            found[f"{name}{end}"] = baselines.row(
                name,
                lambda names, corpus=corpus: data(corpus, names, variant),
                {"depressed": Task(class_weights="equal")},
                synthetic=synthetic,
                picture=picture(synthetic),
                end=f", {said}" if end else "",
                published=figures,
                section=f"{TABLE}: {said}",
                metrics=METRICS,
            )
        found |= {f"amm_{modalities}{end}": amm(modalities, end, synthetic) for modalities in OURS}
    for end, (_, said) in shared.PROTOCOLS.items():
        found[f"spread{end}"] = StabilityStage(
            label=f"Spread over the seeds, AMM against its baselines: {said}",
            section="Stability",
            rows=(f"amm_tv{end}",),
            against=tuple(f"{name}{end}" for name in baselines.LABELS if name != "svm"),  # which has no seeds
            metric="f1_micro",
            data=found[f"amm_tv{end}"].data,
        )
    return found


def get_config(variant: str = "") -> Experiment:
    """The experiment; `variant` is "", "glove" or "synthetic"."""
    if variant not in baselines.VARIANTS:
        known = ", ".join(filter(None, baselines.VARIANTS))
        raise ConfigError(f"configs/amm/table3_mgid.py:{variant}: there is no such variant; there are {known}")
    return shared.experiment(
        "table3_mgid",
        ", Table III: AMM and its baselines",
        "Depression of photographs with their texts, told by AMM and by eight baselines.",
        variant == "synthetic",
        stages(variant),
    )
