"""The whole paper on one page: Tables 2 to 5 and Figure 2, every network trained once, 20 seeds.

    python -m jaxdep.main --config=configs/face_speech/paper.py --workdir=runs/face_speech --data_dir=DIR
    python -m jaxdep.main --config=configs/face_speech/paper.py:synthetic --workdir=runs/face_speech_synthetic

DIR, and the variants, are those of table2.py.
"""

from configs.face_speech import _shared as shared
from configs.face_speech import figure2, table2, table3, table4, table5
from jaxdep.config import Experiment


def get_config(variant: str = "") -> Experiment:
    """The experiment; `variant` is "", "small" or "synthetic"."""
    chosen = shared.variant_of("paper.py", variant)
    return shared.experiment(
        "paper",
        ": depression from faces and speech",
        "Networks that learnt emotions decide who is depressed, from faces, from speech and from both; what they lose "
        "without one of them; and whom they are right of.",
        chosen,
        {
            **table2.stages(chosen),
            **figure2.curves(chosen),
            **table3.ablations(chosen),
            **table4.groups(chosen),
            **table5.severities(chosen),
        },
    )
