"""The case study of section 4: single participants whose voice and words tell of different emotions.

    python -m jaxdep.main --config=configs/emotion_transfer/case_study.py --workdir=runs/case_study --data_dir=DIR
    python -m jaxdep.main --config=configs/emotion_transfer/case_study.py:synthetic --workdir=runs/case_study_synthetic

On DAIC-WOZ the paper's participants 350 and 426, turn by turn, by the IEMOCAP models from audio and from text; on the
stand-in the two depressed ones of the training set in whom the models disagree most often.
DIR holds `iemocap/` and `daic_woz/`.
"""

from configs.emotion_transfer import _shared as shared
from configs.emotion_transfer import table2
from jaxdep.config import CaseStudyStage, Experiment, Finding, StageConfig

MODELS = ("iemocap_a", "iemocap_t")
FINDINGS = {"350": {"A": "happy", "T": "sad"}, "426": {"A": "angry", "T": "sad"}}  # what the paper's models predicted


def findings() -> tuple[Finding, ...]:
    """What the paper says of its participants."""
    return tuple(
        Finding(model=model, output=output, participant=name, source="Wu et al. 2022, section 4")
        for name, of_model in FINDINGS.items()
        for model, output in of_model.items()
    )


def case_study(synthetic: bool) -> CaseStudyStage:
    """The paper's two participants, or the two of the stand-in in whom the models disagree most."""
    return CaseStudyStage(
        of=tuple(f"features_{name}" for name in MODELS),
        label="Case study: audio and text emotion turn by turn",
        section=shared.ANALYSIS,
        data=table2.extraction("iemocap_t", synthetic).data,
        participants=() if synthetic else tuple(FINDINGS),
        findings=() if synthetic else findings(),
        words=synthetic,
    )


def stages(synthetic: bool) -> dict[str, StageConfig]:
    """IEMOCAP's models, what two of them say of the interviews, and the case study."""
    return {
        **table2.pretrained(synthetic, ("iemocap",)),
        **table2.extracted(MODELS, synthetic),
        "case_study": case_study(synthetic),
    }


def get_config(variant: str = "") -> Experiment:
    """The experiment; `variant` is "" or "synthetic"."""
    synthetic = shared.is_synthetic("case_study.py", variant)
    return shared.experiment(
        "case_study",
        "Emotion transfer, case study: where voice and words disagree",
        "Turn by turn, the emotion that the audio model hears beside that which the text model reads.",
        synthetic,
        stages(synthetic),
    )
