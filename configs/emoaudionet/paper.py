"""The whole paper on one page: Tables III to VI, Figure 2 and the severity of depression, every network trained once, 20 seeds.

    python -m jaxdep.main --config=configs/emoaudionet/paper.py --workdir=runs/emoaudionet --data_dir=DIR
    python -m jaxdep.main --config=configs/emoaudionet/paper.py:synthetic --workdir=runs/emoaudionet_synthetic

DIR holds `recola/`, `daic_woz/`, and `librispeech/` with `dev-clean`. Each seed pretrains a model of its own; with `:one`, and
`:synthetic_one`, all start from the best of them.
"""

from configs.emoaudionet import _shared as shared
from configs.emoaudionet import figure2, severity, table3
from jaxdep.config import Experiment


def get_config(variant: str = "") -> Experiment:
    """The experiment; `variant` is "", "one", "synthetic" or "synthetic_one"."""
    chosen = shared.variant_of("paper.py", variant)
    return shared.experiment(
        "paper",
        ": affect and depression from speech",
        "Networks on spectrograms and cepstral vectors of windows of speech, for arousal, valence, depression and its "
        "severity, each with other participants in training, and with windows of the same.",
        chosen,
        {
            **table3.stages("arousal", chosen),
            **table3.rows("valence", chosen),
            **figure2.stages(chosen),
            **severity.stages(chosen),
        },
    )
