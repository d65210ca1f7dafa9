"""Figure 2: the confusion matrices of EmoAudioNet on depression, without pretraining (a) and with it (b), 20 seeds.

    python -m jaxdep.main --config=configs/emoaudionet/figure2.py --workdir=runs/emoaudionet_figure2 --data_dir=DIR
    python -m jaxdep.main --config=configs/emoaudionet/figure2.py:synthetic --workdir=runs/emoaudionet_figure2_synthetic

DIR, and the variants `:one` and `:synthetic_one`, are those of table6.py. The rows are its too, with the recall of each class.
The figure's numbers are not in the text that is at hand; what the text prints determines them, and a note tells them.
"""

from configs.emoaudionet import _shared as shared
from configs.emoaudionet import table5, table6
from jaxdep.config import Experiment, StageConfig

METRICS = ("recall_of_healthy", "recall_of_depressed", *table5.METRICS)
# True and false of the healthy, then of the depressed, in per cent of all windows.
SHARES = {
    f"{table5.TASK}_emoaudionet_leaky": (
        "Figure 2a, by section IV.D.1: 60.52 % of the windows rightly healthy, 12.73 % rightly depressed, precision of the "
        "depressed 51.71 %; so 11.89 % are taken for depressed and 14.86 % missed, the recalls are .836 and .461, Matthews' "
        "coefficient .31, and the majority class alone has an accuracy of .724."
    ),
    f"{table5.TASK}_pretrained_leaky": (
        "Figure 2b, by Table VI and section IV.D.3 (accuracy 74.13 %, F1 of the depressed 50 %, their precision 56.28 %): "
        "61.2 % rightly healthy, 12.9 % rightly depressed, 10.1 % taken for depressed, 15.8 % missed; so the recalls are .859 "
        "and .450, and the majority class alone has .712: another test set than Figure 2a's."
    ),
}


def stages(variant: shared.Variant) -> dict[str, StageConfig]:
    """Those of Table VI, with what the paper's text determines of Figure 2."""
    found = table6.stages(variant, METRICS)
    for name, note in SHARES.items() if not variant.synthetic else ():
        found[name].note = note
    return found


def get_config(variant: str = "") -> Experiment:
    """The experiment; `variant` is "", "one", "synthetic" or "synthetic_one"."""
    chosen = shared.variant_of("figure2.py", variant)
    return shared.experiment(
        "figure2",
        ", Figure 2: confusion matrices of depression",
        "Of the healthy and of the depressed, how many windows and how many participants are recognised.",
        chosen,
        stages(chosen),
    )
