"""Table III: arousal in ten levels (RECOLA), four networks, 20 seeds each, in two protocols.

    python -m jaxdep.main --config=configs/emoaudionet/table3.py --workdir=runs/emoaudionet_table3 --data_dir=DIR
    python -m jaxdep.main --config=configs/emoaudionet/table3.py:synthetic --workdir=runs/emoaudionet_table3_synthetic

DIR holds `recola/` and, for the network that is pretrained on gender, `librispeech/` with `dev-clean`. In the first table
nobody stands on two sides. In the second windows are divided at random, as in the authors' code: who is tested was
trained on, its rows say LEAKY, and the paper's figures stand beside them.

Each seed pretrains a model of its own; with `:one` all start from the best of them. `:synthetic`, and `:synthetic_one`, have
images of 16 x 16, few channels and few epochs on the stand-ins, for two CPU cores.
"""

from configs.emoaudionet import _shared as shared
from jaxdep.config import Experiment, Published, StageConfig

TABLES = {"arousal": "Table III", "valence": "Table IV"}
# Accuracy, CC, RMSE of the development set, then of the test set.
FIGURES = {
    "arousal": {
        "mfcc": ((0.8193, 0.8130, 0.1501), (0.7023, 0.6981, 0.2065)),
        "spectrogram": ((0.8020, 0.8157, 0.1314), (0.7565, 0.7673, 0.2099)),
        "emoaudionet": ((0.9449, 0.9521, 0.0082), (0.8930, 0.9069, 0.1229)),
        "pretrained": ((0.9516, 0.9555, 0.07895), (0.9037, 0.9156, 0.1180)),
    },
    "valence": {
        "mfcc": ((0.8337, 0.8289, 0.1405), (0.7112, 0.6965, 0.2082)),
        "spectrogram": ((0.7832, 0.7984, 0.1446), (0.7381, 0.7598, 0.2132)),
        "emoaudionet": ((0.9542, 0.9568, 0.0625), (0.9144, 0.9221, 0.1118)),
        "pretrained": ((0.8755, 0.9028, 0.1222), (0.8307, 0.8624, 0.1508)),
    },
}
METRICS = (
    *("accuracy", "unweighted_accuracy"),
    *("pearson_one_hot", "rmse_one_hot"),  # what the paper's CC and RMSE fit
    *("pearson", "ccc", "rmse", "mae"),  # of levels as numbers, in units of the rating
)


def published(dimension: str, network: str) -> tuple[Published, ...]:
    """A row of the table."""
    return shared.published(TABLES[dimension], FIGURES[dimension][network], "pearson")


def rows(dimension: str, variant: shared.Variant) -> dict[str, StageConfig]:
    """The table of a dimension in both protocols."""
    found: dict[str, StageConfig] = {}
    for end, (splits, said) in shared.protocols().items():
        section = shared.section_of(f"{TABLES[dimension]}. {dimension.capitalize()} (RECOLA)", bool(end))
        asked = ("recola", f"{dimension}_level", METRICS, splits, variant)
        name = f"{dimension.capitalize()}{said}"
        of_protocol = shared.references(name, section, *asked)
        for network, label in shared.LABELS.items():
            figures = published(dimension, network) if end else ()
            of_protocol[network] = shared.row(f"{name}: {label}", section, network, *asked, figures)
        figures = published(dimension, "pretrained") if end else ()
        joint = shared.row(f"{name}: {shared.LABELS['emoaudionet']}", section, "emoaudionet", *asked, figures)
        of_protocol["pretrained"] = shared.pretrained(joint, variant)
        found |= {f"{dimension}_{one}{end}": stage for one, stage in of_protocol.items()}
    return found


def stages(dimension: str, variant: shared.Variant) -> dict[str, StageConfig]:
    """The pretraining, and the table of a dimension."""
    return {**shared.pretraining(variant), **rows(dimension, variant)}


def get_config(variant: str = "") -> Experiment:
    """The experiment; `variant` is "", "one", "synthetic" or "synthetic_one"."""
    chosen = shared.variant_of("table3.py", variant)
    return shared.experiment(
        "table3",
        ", Table III: arousal",
        "Four networks tell which of ten levels a window's arousal has: with other participants in training, and with "
        "windows of the same.",
        chosen,
        stages("arousal", chosen),
    )
