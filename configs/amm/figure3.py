"""Figure 3: posts that one network for both tasks tells rightly and one for a single task does not, and that both miss.

    python -m jaxdep.main --config=configs/amm/figure3.py --workdir=runs/amm_figure3 --data_dir=DIR
    python -m jaxdep.main --config=configs/amm/figure3.py:synthetic --workdir=runs/amm_figure3_synthetic

DIR and `:synthetic` are those of table4.py, whose networks for text and picture these are, in the protocol in which nothing
stands on two sides, with 20 seeds. Words and pictures of MGID are others' property and left out unless
`--config.stages.cases_depressed.words=True` and the like ask for them, for your own eyes; the stand-in's are shown.
"""

from configs.amm import _shared as shared
from configs.amm import table4
from jaxdep.config import CasesStage, Experiment, StageConfig

SECTION = "Fig. 3. What one network for both tasks tells, and a single task's does not"
BOTH = "both_tv"


def cases(task: str, stages: dict[str, StageConfig], synthetic: bool) -> CasesStage:
    """The cases of a task."""
    return CasesStage(
        label=f"Cases of {shared.NAMES[task]}",
        section=SECTION,
        data=stages[BOTH].data,
        row=BOTH,
        against=f"{task}_tv",
        task=task,
        words=synthetic,
        pictures=synthetic,
    )


def stages(synthetic: bool) -> dict[str, StageConfig]:
    """The networks for text and picture of Table IV, and the cases of each task."""
    table = table4.stages(synthetic)
    networks = {name: table[name] for name in (*(f"{task}_tv" for task in shared.TASKS), BOTH)}
    return networks | {f"cases_{task}": cases(task, networks, synthetic) for task in shared.TASKS}


def get_config(variant: str = "") -> Experiment:
    """The experiment; `variant` is "" or "synthetic"."""
    synthetic = shared.is_synthetic("figure3.py", variant)
    return shared.experiment(
        "figure3",
        ", Figure 3: cases",
        "Single posts by how many seeds of either network tell them rightly, beside all posts of the test split.",
        synthetic,
        stages(synthetic),
    )
