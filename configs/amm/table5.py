"""Table V: AMM without attention between modalities, between tasks, and without both, 20 seeds: DAIC-WOZ, and MGID in two
protocols.

    python -m jaxdep.main --config=configs/amm/table5.py --workdir=runs/amm_table5 --data_dir=DIR
    python -m jaxdep.main --config=configs/amm/table5.py:synthetic --workdir=runs/amm_table5_synthetic

DIR, the two protocols and `:synthetic` are those of table4.py; of DAIC-WOZ they are those of table3_daic.py, which tells of the
file of emotions that this needs too. "No It" of the paper tells depression alone; a row more has both tasks without
attention between them.
"""

from typing import Any

from configs.amm import _daic as daic
from configs.amm import _shared as shared
from jaxdep.config import Experiment, Published, StageConfig

TABLE = "Table V. What attention brings (MGID)"
DAIC = f"Table V. What attention brings (DAIC-WOZ): {daic.PROTOCOL}"
ALONE = ("depressed",)
# By the stage's name: label, tasks, the model's fields.
ROWS: dict[str, tuple[str, tuple[str, ...], dict[str, Any]]] = {
    "no_inter_modal": ("No Ie attention", shared.TASKS, {"inter_modal": False}),
    "no_inter_task": ("No It attention", ALONE, {}),
    "both_apart": ("No It attention, both tasks", shared.TASKS, {"inter_task": False}),
    "no_attention": ("No attention", ALONE, {"inter_modal": False}),
    "amm": ("AMM", shared.TASKS, {}),
}
# Micro-F1 and accuracy as printed, by corpus and row; "both_apart" is not the paper's.
FIGURES: dict[str, dict[str, tuple[float, float]]] = {
    "daic": {
        "no_inter_modal": (0.671, 0.669),
        "no_inter_task": (0.656, 0.656),
        "no_attention": (0.644, 0.643),
        "amm": (0.685, 0.685),
    },
    "mgid": {
        "no_inter_modal": (0.734, 0.733),
        "no_inter_task": (0.725, 0.727),
        "no_attention": (0.713, 0.711),
        "amm": (0.741, 0.738),
    },
}


def figures(corpus: str, name: str) -> dict[str, tuple[Published, ...]]:
    """The paper's of a row, by task."""
    printed = FIGURES[corpus].get(name)
    return {"depressed": shared.published("Table V", printed)} if printed else {}


def daic_stages(synthetic: bool) -> dict[str, StageConfig]:
    """The references and the rows of the table on the utterances of DAIC-WOZ."""
    found = {f"daic_{name}": stage for name, stage in daic.references(DAIC, synthetic).items()}
    for name, (label, tasks, changes) in ROWS.items():
        row = daic.row(label, DAIC, "tv", tasks, synthetic, figures("daic", name), **changes)
        found[f"daic_{name}"] = row
    for stage in found.values():
        stage.label = f"DAIC-WOZ: {stage.label}"
    return found


def stages(synthetic: bool) -> dict[str, StageConfig]:
    """The table of DAIC-WOZ; then the references and the rows of that of MGID in both protocols."""
    found: dict[str, StageConfig] = daic_stages(synthetic)
    for end in shared.PROTOCOLS:
        found |= shared.references(TABLE, end, "depressed", synthetic)
        for name, (label, tasks, changes) in ROWS.items():
            asked = (TABLE, end, "tv", tasks, synthetic, figures("mgid", name))
            found[f"{name}{end}"] = shared.row(label, *asked, **changes)
    return found


def get_config(variant: str = "") -> Experiment:
    """The experiment; `variant` is "" or "synthetic"."""
    synthetic = shared.is_synthetic("table5.py", variant)
    return shared.experiment(
        "table5",
        ", Table V: ablations",
        daic.described(
            "Depression of utterances, and of photographs with their texts, told by AMM and by what is left of it without its "
            "attentions.",
            synthetic,
        ),
        synthetic,
        stages(synthetic),
    )
