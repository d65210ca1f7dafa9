"""Table IV: valence in ten levels (RECOLA), four networks, 20 seeds each, in two protocols.

    python -m jaxdep.main --config=configs/emoaudionet/table4.py --workdir=runs/emoaudionet_table4 --data_dir=DIR
    python -m jaxdep.main --config=configs/emoaudionet/table4.py:synthetic --workdir=runs/emoaudionet_table4_synthetic

DIR, and the variants `:one` and `:synthetic_one`, are those of table3.py.
"""

from configs.emoaudionet import _shared as shared
from configs.emoaudionet import table3
from jaxdep.config import Experiment


def get_config(variant: str = "") -> Experiment:
    """The experiment; `variant` is "", "one", "synthetic" or "synthetic_one"."""
    chosen = shared.variant_of("table4.py", variant)
    return shared.experiment(
        "table4",
        ", Table IV: valence",
        "Four networks tell which of ten levels a window's valence has: with other participants in training, and with "
        "windows of the same.",
        chosen,
        table3.stages("valence", chosen),
    )
