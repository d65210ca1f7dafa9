"""Figure 2: what the IEMOCAP models hear and read in depressed and in healthy participants of DAIC-WOZ's training set.

    python -m jaxdep.main --config=configs/emotion_transfer/figure2.py --workdir=runs/figure2 --data_dir=DIR
    python -m jaxdep.main --config=configs/emotion_transfer/figure2.py:synthetic --workdir=runs/figure2_synthetic

Mean class probabilities (a) and mean valence, activation and dominance (b) over all turns, of the audio, the text and the
joint model; what the paper reads off its figure stands beside. DIR holds `iemocap/` and `daic_woz/`.
"""

from configs.emotion_transfer import _shared as shared
from configs.emotion_transfer import table2
from jaxdep.config import Experiment, Finding, ProfileStage, StageConfig

# What section 4 reads off Figures 2 and 3: the dominant class of each model, and in whom each output is higher, by all models.
DOMINANT = {
    "iemocap": {"A": "angry", "T": "sad", "A+T": "happy"},
    "mosei": {"A": "nonnegative", "T": "negative", "A+T": "negative"},
}
HIGHER_IN_DEPRESSED = {"iemocap": ("angry", "sad", "activation", "dominance"), "mosei": ("negative",)}
HIGHER_IN_HEALTHY = {"iemocap": ("neutral", "happy", "valence"), "mosei": ()}
SOURCE = "Wu et al. 2022, section 4"
NOTE = (
    "The training set has 31 depressed participants, the paper's 30: the wrong label of 409 (PHQ-8 of 10) is corrected."
)


def findings(corpus: str) -> tuple[Finding, ...]:
    """What the paper says of its figure."""
    dominant = [Finding(model=model, output=output, source=SOURCE) for model, output in DOMINANT[corpus].items()]
    higher = {"depressed": HIGHER_IN_DEPRESSED[corpus], "healthy": HIGHER_IN_HEALTHY[corpus]}
    return (
        *dominant,
        *(
            Finding(model=model, output=output, higher_in=group, source=SOURCE)
            for group, outputs in higher.items()
            for output in outputs
            for model in shared.FORMS.values()
        ),
    )


def profile(figure: int, corpus: str, synthetic: bool) -> ProfileStage:
    """Figure 2 (IEMOCAP) or 3 (MOSEI) from the extracted outputs of the corpus's three models."""
    return ProfileStage(
        of=tuple(f"features_{corpus}_{form}" for form in shared.FORMS),
        label=f"Figure {figure}. Emotion of depressed and healthy participants, {corpus.upper()} models",
        section=shared.ANALYSIS,
        data=table2.extraction(f"{corpus}_t", synthetic).data,
        findings=() if synthetic else findings(corpus),
        note="" if synthetic else NOTE,
    )


def stages(figure: int, corpus: str, synthetic: bool) -> dict[str, StageConfig]:
    """The corpus's three models, what they say of the interviews, and the figure."""
    names = tuple(f"{corpus}_{form}" for form in shared.FORMS)
    return {
        **table2.pretrained(synthetic, (corpus,)),
        **table2.extracted(names, synthetic),
        f"figure{figure}": profile(figure, corpus, synthetic),
    }


def get_config(variant: str = "") -> Experiment:
    """The experiment; `variant` is "" or "synthetic"."""
    synthetic = shared.is_synthetic("figure2.py", variant)
    return shared.experiment(
        "figure2",
        "Emotion transfer, Figure 2: emotion in the depression data, by models trained on IEMOCAP",
        "Class probabilities and attributes, averaged over the turns of depressed and of healthy participants.",
        synthetic,
        stages(2, "iemocap", synthetic),
    )
