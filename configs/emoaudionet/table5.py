"""Table V: depression (DAIC-WOZ) by EmoAudioNet, 20 seeds, in two protocols.

    python -m jaxdep.main --config=configs/emoaudionet/table5.py --workdir=runs/emoaudionet_table5 --data_dir=DIR
    python -m jaxdep.main --config=configs/emoaudionet/table5.py:synthetic --workdir=runs/emoaudionet_table5_synthetic

DIR holds `daic_woz/`. In the first table nobody stands on two sides; a participant's decision is the mean over the windows,
and both are scored. In the second windows are divided at random: who is tested was trained on, its rows say LEAKY, and
the paper's figures, which are of windows, stand beside them. `:synthetic` has images of 16 x 16, few channels and few epochs
on the stand-in, for two CPU cores.
"""

from configs.emoaudionet import _shared as shared
from jaxdep.config import Experiment, Published, StageConfig, TrainStage

TABLE = "Tables V and VI. Depression (DAIC-WOZ)"
TASK = "depressed"
METRICS = (
    *("accuracy", "unweighted_accuracy", "f1", "f1_of_healthy", "f1_macro", "precision"),
    *("pearson_one_hot", "mcc", "rmse_one_hot"),  # of the paper's CC and RMSE
)
# Accuracy, CC, RMSE of the development set, then of the test set.
FIGURES = {
    "Table V": ((0.8196, 0.601, 0.394), (0.7325, 0.482, 0.467)),
    "Table VI": ((0.8621, 0.642, 0.60), (0.7413, 0.507, 0.47)),
}
# On the test set: F1 of both classes, precision of the depressed.
TOLD = {
    "Table V": {"f1": 0.49, "f1_of_healthy": 0.82, "precision": 0.5171},  # section IV.D.1
    "Table VI": {"f1": 0.50, "f1_of_healthy": 0.83, "precision": 0.5628},  # section IV.D.3
}
SECTIONS = {"Table V": "section IV.D.1", "Table VI": "section IV.D.3"}


def published(table: str) -> tuple[Published, ...]:
    """A table, and what the text has beside it; all of windows."""
    told = (
        Published(metric, figure=figure, source=SECTIONS[table], split="test", windows=True)
        for metric, figure in TOLD[table].items()
    )
    return (*shared.published(table, FIGURES[table], "mcc", windows=True), *told)


def network(table: str, end: str, variant: shared.Variant, metrics: tuple[str, ...]) -> TrainStage:
    """EmoAudioNet in one protocol, beside a table's figures where that is the paper's."""
    splits, said = shared.protocols()[end]
    return shared.row(
        f"Depression{said}: EmoAudioNet",
        shared.section_of(TABLE, bool(end)),
        *("emoaudionet", "daic_woz", TASK),
        metrics,
        splits,
        variant,
        published(table) if end else (),
    )


def stages(variant: shared.Variant, metrics: tuple[str, ...] = METRICS) -> dict[str, StageConfig]:
    """The references and EmoAudioNet in both protocols."""
    found: dict[str, StageConfig] = {}
    for end, (splits, said) in shared.protocols().items():
        asked = (shared.section_of(TABLE, bool(end)), "daic_woz", TASK, metrics, splits, variant)
        beside = shared.references(f"Depression{said}", *asked, binary=True)
        found |= {f"{TASK}_{name}{end}": stage for name, stage in beside.items()}
        found[f"{TASK}_emoaudionet{end}"] = network("Table V", end, variant, metrics)
    return found


def get_config(variant: str = "") -> Experiment:
    """The experiment; `variant` is "" or "synthetic"."""
    chosen = shared.variant_of("table5.py", variant, pretrains=False)
    return shared.experiment(
        "table5",
        ", Table V: depression",
        "EmoAudioNet decides on windows of the participant's speech: with other participants in training, and with "
        "windows of the same.",
        chosen,
        stages(chosen),
    )
