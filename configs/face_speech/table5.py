"""Table 5: the joint network by the severity of depression, 20 seeds.

    python -m jaxdep.main --config=configs/face_speech/table5.py --workdir=runs/face_speech_table5 --data_dir=DIR
    python -m jaxdep.main --config=configs/face_speech/table5.py:synthetic --workdir=runs/face_speech_table5_synthetic

DIR, and the variants, are those of table2.py. All who have a severity are depressed: their accuracy is their recall, and a
detector that says "depressed" of everybody has 1 of it. So who is not depressed stands beside them.
"""

from configs.face_speech import _shared as shared
from configs.face_speech import table2
from jaxdep.config import Experiment, GroupsStage, StageConfig

# Accuracy as printed.
FIGURES = {"mild": 0.867, "moderate": 0.901, "severe": 0.932}


def severities(variant: shared.Variant) -> dict[str, StageConfig]:
    """The table, of the stage `both` of table2.py."""
    asked = {
        "of": "both",
        "by": "severity",
        "data": shared.data(("speech",), variant),
        "tasks": shared.TASKS,
        "metrics": ("accuracy",),
        "section": "Table 5. By severity",
    }
    figures = {} if variant.synthetic else {k: shared.published("Table 5", accuracy=x) for k, x in FIGURES.items()}
    return {
        "by_severity": GroupsStage(
            label="Face and speech by severity", groups=tuple(FIGURES), figures=figures, **asked
        ),
        "of_healthy": GroupsStage(label="Face and speech, depressed or not", groups=("none", *FIGURES), **asked),
    }


def get_config(variant: str = "") -> Experiment:
    """The experiment; `variant` is "", "small" or "synthetic"."""
    chosen = shared.variant_of("table5.py", variant)
    return shared.experiment(
        "table5",
        ", Table 5: by severity",
        "How many of the mildly, moderately and severely depressed the joint network finds.",
        chosen,
        {**table2.stages(chosen), **severities(chosen)},
    )
