"""Table IV: one task or both, from text, from pictures and from both (MGID), 20 seeds, in two protocols.

    python -m jaxdep.main --config=configs/amm/table4.py --workdir=runs/amm_table4 --data_dir=DIR
    python -m jaxdep.main --config=configs/amm/table4.py:synthetic --workdir=runs/amm_table4_synthetic

DIR holds `mgid/` with the tables of train, dev and test, and the pictures in `mgid/images/`. Words are states of BERT-base, zones
of pictures what EfficientNet-B0 says of them, both fetched from the hub at first. In the first tables no picture and no text
stands on two sides; in the others the splits are the authors', beside which the paper's figures stand. `:synthetic` has
hashed words, colours in place of EfficientNet's vectors and a narrower network on the stand-in, for two CPU cores.
"""

from configs.amm import _shared as shared
from jaxdep.config import Experiment, Published, StageConfig

TABLE = "Table IV. One task or both (MGID)"
# Micro-F1 and accuracy, by task, setup and modalities.
FIGURES = {
    ("depressed", "single"): {"t": (0.715, 0.712), "v": (0.650, 0.650), "tv": (0.723, 0.720)},
    ("depressed", "multi"): {"t": (0.721, 0.720), "v": (0.646, 0.642), "tv": (0.741, 0.745)},
    ("emotion", "single"): {"t": (0.527, 0.529), "v": (0.507, 0.505), "tv": (0.544, 0.544)},
    ("emotion", "multi"): {"t": (0.555, 0.554), "v": (0.516, 0.517), "tv": (0.581, 0.581)},
}
LABELS = {"t": "T", "v": "V", "tv": "T+V"}


def figures(setup: str, modalities: str) -> dict[str, tuple[Published, ...]]:
    """The paper's, by task."""
    return {task: shared.published("Table IV", FIGURES[task, setup][modalities]) for task in shared.TASKS}


def stages(synthetic: bool) -> dict[str, StageConfig]:
    """The references, a network a task and one for both, of each choice of modalities."""
    found: dict[str, StageConfig] = {}
    for end in shared.PROTOCOLS:
        for task in shared.TASKS:
            found |= shared.references(TABLE, end, task, synthetic)
        for modalities, said in LABELS.items():
            asked = (TABLE, end, modalities)
            for task in shared.TASKS:
                single = shared.row(
                    f"STL, {said}: {shared.NAMES[task]}", *asked, (task,), synthetic, figures("single", modalities)
                )
                found[f"{task}_{modalities}{end}"] = single
            both = shared.row(f"MTL, {said}", *asked, shared.TASKS, synthetic, figures("multi", modalities))
            found[f"both_{modalities}{end}"] = both
    return found


def get_config(variant: str = "") -> Experiment:
    """The experiment; `variant` is "" or "synthetic"."""
    synthetic = shared.is_synthetic("table4.py", variant)
    return shared.experiment(
        "table4",
        ", Table IV: one task or both",
        "Depression and emotion of photographs with their texts, told by a network each and by one network for both.",
        synthetic,
        stages(synthetic),
    )
