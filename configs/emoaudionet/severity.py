"""Section IV.D.2: the PHQ-8 score (DAIC-WOZ) in 24 classes, as the paper has it, and in 25, 20 seeds, in two protocols.

    python -m jaxdep.main --config=configs/emoaudionet/severity.py --workdir=runs/emoaudionet_severity --data_dir=DIR
    python -m jaxdep.main --config=configs/emoaudionet/severity.py:synthetic --workdir=runs/emoaudionet_severity_synthetic

DIR holds `daic_woz/`. Nobody stands on two sides in the first tables, whose participants are those of the corpus's own train,
dev and test: some scores are of one participant alone, who cannot be drawn for each part. In the others windows are
divided at random, as published; their rows say LEAKY. A score of 24, which the paper does not know of, is among the 23s
where there are 24 classes.
"""

from configs.emoaudionet import _shared as shared
from jaxdep.config import Experiment, Published, Splits, StageConfig

METRICS = (
    *("rmse_one_hot", "pearson_one_hot"),
    *("accuracy", "unweighted_accuracy"),
    *("rmse", "mae", "pearson", "ccc"),  # in points of the PHQ-8
)
OWN = Splits()  # train, dev and test of AVEC 2017
FIGURES = (Published("rmse_one_hot", figure=0.18, source="section IV.D.2", split="test", windows=True),)


def stages(variant: shared.Variant) -> dict[str, StageConfig]:
    """Both numbers of classes in both protocols."""
    found: dict[str, StageConfig] = {}
    for count in (24, 25):
        task = f"severity_{count}"
        for end, (splits, said) in shared.protocols(OWN).items():
            section = shared.section_of(f"Section IV.D.2. PHQ-8 in {count} classes (DAIC-WOZ)", bool(end))
            name = f"PHQ-8 in {count}{said}"
            asked = ("daic_woz", task, METRICS, splits, variant)
            of_protocol = shared.references(name, section, *asked)
            figures = FIGURES if count == 24 and end else ()
            of_protocol["emoaudionet"] = shared.row(f"{name}: EmoAudioNet", section, "emoaudionet", *asked, figures)
            found |= {f"{task}_{one}{end}": stage for one, stage in of_protocol.items()}
    return found


def get_config(variant: str = "") -> Experiment:
    """The experiment; `variant` is "" or "synthetic"."""
    chosen = shared.variant_of("severity.py", variant, pretrains=False)
    return shared.experiment(
        "severity",
        ": severity of depression",
        "EmoAudioNet tells the PHQ-8 score as one of 24 or 25 classes; a uniform guess of 24 has an RMSE to one-hot of 0.1998.",
        chosen,
        stages(chosen),
    )
