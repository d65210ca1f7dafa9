"""Table 4: the joint network by gender, age band and ethnicity, with the gap between the groups, 20 seeds.

    python -m jaxdep.main --config=configs/face_speech/table4.py --workdir=runs/face_speech_table4 --data_dir=DIR
    python -m jaxdep.main --config=configs/face_speech/table4.py:synthetic --workdir=runs/face_speech_table4_synthetic

DIR, and the variants, are those of table2.py. Beside each score stands how many participants the group has, an interval over
seeds and one over participants, and beside the largest gap how large it would be among groups drawn at random.
"""

from configs.face_speech import _shared as shared
from configs.face_speech import table2
from jaxdep.config import Experiment, GroupsStage, StageConfig

METRICS = ("accuracy", "f1", "recall")
# What tells the groups, their heading, and by group accuracy and F1 as printed.
GROUPS: dict[str, tuple[str, dict[str, tuple[float, float]]]] = {
    "gender": ("gender", {"male": (0.888, 0.887), "female": (0.901, 0.900)}),
    "age_band": ("age", {"18-30": (0.903, 0.902), "31-50": (0.891, 0.890), "51+": (0.884, 0.883)}),
    "ethnicity": (
        "ethnicity",
        {
            "White": (0.897, 0.896),
            "Black": (0.885, 0.884),
            "Asian": (0.892, 0.891),
            "Hispanic/Latino": (0.889, 0.888),
        },
    ),
}


def groups(variant: shared.Variant) -> dict[str, StageConfig]:
    """A table for each way to divide people, of the stage `both` of table2.py."""
    return {
        f"by_{by}": GroupsStage(
            label=f"Face and speech by {told}",
            section=f"Table 4. By {told}",
            of="both",
            by=by,
            groups=tuple(printed),
            data=shared.data(("speech",), variant),
            tasks=shared.TASKS,
            metrics=METRICS,
            figures={}
            if variant.synthetic
            else {group: shared.published("Table 4", accuracy=pair[0], f1=pair[1]) for group, pair in printed.items()},
        )
        for by, (told, printed) in GROUPS.items()
    }


def get_config(variant: str = "") -> Experiment:
    """The experiment; `variant` is "", "small" or "synthetic"."""
    chosen = shared.variant_of("table4.py", variant)
    return shared.experiment(
        "table4",
        ", Table 4: by gender, age and ethnicity",
        "Whether the joint network is as often right of one group of participants as of another.",
        chosen,
        {**table2.stages(chosen), **groups(chosen)},
    )
