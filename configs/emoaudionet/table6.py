"""Table VI: depression (DAIC-WOZ) by EmoAudioNet pretrained on gender, beside Table V's, 20 seeds, in two protocols.

    python -m jaxdep.main --config=configs/emoaudionet/table6.py --workdir=runs/emoaudionet_table6 --data_dir=DIR
    python -m jaxdep.main --config=configs/emoaudionet/table6.py:synthetic --workdir=runs/emoaudionet_table6_synthetic

DIR holds `daic_woz/` and `librispeech/` with `dev-clean`. The protocols are those of table5.py. Each seed pretrains a model of
its own; with `:one`, and `:synthetic_one`, all start from the best of them.
"""

from configs.emoaudionet import _shared as shared
from configs.emoaudionet import table5
from jaxdep.config import Experiment, StageConfig


def stages(variant: shared.Variant, metrics: tuple[str, ...] = table5.METRICS) -> dict[str, StageConfig]:
    """The pretraining, Table V, and EmoAudioNet pretrained in both protocols."""
    pretrained = {
        f"{table5.TASK}_pretrained{end}": shared.pretrained(table5.network("Table VI", end, variant, metrics), variant)
        for end in shared.protocols()
    }
    return {**shared.pretraining(variant), **table5.stages(variant, metrics), **pretrained}


def get_config(variant: str = "") -> Experiment:
    """The experiment; `variant` is "", "one", "synthetic" or "synthetic_one"."""
    chosen = shared.variant_of("table6.py", variant)
    return shared.experiment(
        "table6",
        ", Table VI: depression after gender",
        "EmoAudioNet decides on windows of the participant's speech, from its own start and from what it learnt of gender.",
        chosen,
        stages(chosen),
    )
