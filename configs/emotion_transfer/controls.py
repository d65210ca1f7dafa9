"""Controls: what direct text decides from the interviewer's words alone, from the participant's, and from both, 20 seeds.

    python -m jaxdep.main --config=configs/emotion_transfer/controls.py --workdir=runs/controls --data_dir=DIR
    python -m jaxdep.main --config=configs/emotion_transfer/controls.py:synthetic --workdir=runs/controls_synthetic

The interviewer's prompts alone classify DAIC-WOZ (dev macro-F1 .88, Burdisso et al. 2024), since she asks further where she
suspects something. A detector that may hear her is no detector of depression; this shows how much of its score is hers.
The paper does not say whose turns it reads. Each seed draws who validates, as in the wider rows of Tables 2 and 3.
DIR holds `daic_woz/`. In the stand-in she asks everybody the same.
"""

import dataclasses

from configs.emotion_transfer import _shared as shared
from configs.emotion_transfer import table2, table3
from input_pipeline.features import Segmentation
from input_pipeline.recording import INTERVIEWER, PARTICIPANT
from jaxdep.config import Experiment, StageConfig, TrainStage

SECTION = "Controls: whose words are read"
SPEAKERS = {"participant": (PARTICIPANT,), "interviewer": (INTERVIEWER,), "both": (PARTICIPANT, INTERVIEWER)}


def control(whose: str, synthetic: bool) -> TrainStage:
    """Direct text on the turns of these speakers; three sessions have no row of the interviewer's."""
    segmentation = Segmentation(speakers=SPEAKERS[whose], may_be_empty=True)
    text = shared.sentences(synthetic, 0, segmentation)
    return dataclasses.replace(
        table3.direct_text(synthetic),
        label=f"Direct text, {whose}'s words" if whose != "both" else "Direct text, both speakers' words",
        section=SECTION,
        data=dataclasses.replace(
            shared.interviews({"text": text}, table2.SEGMENTS, synthetic), splits=shared.DRAWN_SPLITS
        ),
        published=(),
    )


def stages(synthetic: bool) -> dict[str, StageConfig]:
    """The trivial baselines and the three controls."""
    return {
        **table2.trivial(synthetic, SECTION, "Controls"),
        **{f"text_{whose}": control(whose, synthetic) for whose in SPEAKERS},
    }


def get_config(variant: str = "") -> Experiment:
    """The experiment; `variant` is "" or "synthetic"."""
    synthetic = shared.is_synthetic("controls.py", variant)
    return shared.experiment(
        "controls",
        "Emotion transfer, controls: interviewer's and participant's words",
        "The same bi-LSTM on the sentences of the interviewer alone, of the participant alone, and of both.",
        synthetic,
        stages(synthetic),
    )
