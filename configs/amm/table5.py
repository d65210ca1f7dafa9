"""Table V, MGID: AMM without attention between modalities, between tasks, and without both, 20 seeds, in two protocols.

    python -m jaxdep.main --config=configs/amm/table5.py --workdir=runs/amm_table5 --data_dir=DIR
    python -m jaxdep.main --config=configs/amm/table5.py:synthetic --workdir=runs/amm_table5_synthetic

DIR, the two protocols and `:synthetic` are those of table4.py. "No It" of the paper tells depression alone; a row more has both
tasks without attention between them.
"""

from typing import Any

from configs.amm import _shared as shared
from jaxdep.config import Experiment, StageConfig

TABLE = "Table V. What attention brings (MGID)"
ALONE = ("depressed",)
# By the stage's name: label, tasks, the model's fields, micro-F1 and accuracy as printed.
ROWS: dict[str, tuple[str, tuple[str, ...], dict[str, Any], tuple[float, float] | None]] = {
    "no_inter_modal": ("No Ie attention", shared.TASKS, {"inter_modal": False}, (0.734, 0.733)),
    "no_inter_task": ("No It attention", ALONE, {}, (0.725, 0.727)),
    "both_apart": ("No It attention, both tasks", shared.TASKS, {"inter_task": False}, None),
    "no_attention": ("No attention", ALONE, {"inter_modal": False}, (0.713, 0.711)),
    "amm": ("AMM", shared.TASKS, {}, (0.741, 0.738)),
}


def stages(synthetic: bool) -> dict[str, StageConfig]:
    """The references and the rows of the table in both protocols."""
    found: dict[str, StageConfig] = {}
    for end in shared.PROTOCOLS:
        found |= shared.references(TABLE, end, "depressed", synthetic)
        for name, (label, tasks, changes, printed) in ROWS.items():
            figures = {"depressed": shared.published("Table V", printed)} if printed else {}
            found[f"{name}{end}"] = shared.row(label, TABLE, end, "tv", tasks, synthetic, figures, **changes)
    return found


def get_config(variant: str = "") -> Experiment:
    """The experiment; `variant` is "" or "synthetic"."""
    synthetic = shared.is_synthetic("table5.py", variant)
    return shared.experiment(
        "table5",
        ", Table V: ablations",
        "Depression of photographs with their texts, told by AMM and by what is left of it without its attentions.",
        synthetic,
        stages(synthetic),
    )
