"""Table 3: what the joint network loses without the face, and without speech; a still face; prosody alone. 20 seeds.

    python -m jaxdep.main --config=configs/face_speech/table3.py --workdir=runs/face_speech_table3 --data_dir=DIR
    python -m jaxdep.main --config=configs/face_speech/table3.py:synthetic --workdir=runs/face_speech_table3_synthetic

DIR, and the variants, are those of table2.py. The first three rows are the joint network of Table 2, applied once more with a
modality masked at the test; Table 2 has the networks that were trained on one modality.
"""

from configs.face_speech import _shared as shared
from configs.face_speech import table2
from jaxdep.config import EvaluateStage, Experiment, Missing, Published, StageConfig

TABLE = "Table 3. What is taken away"
METRICS = ("accuracy", "f1")
# Label, what is masked, accuracy and F1 as printed.
MASKED = {
    "all_features": ("All features", "", (0.895, 0.894)),
    "no_face": ("No facial expressions", "face", (0.823, 0.820)),
    "no_speech": ("No speech patterns", "speech", (0.837, 0.835)),
}
STILL, PROSODIC = (0.801, 0.798), (0.789, 0.785)


def figures(printed: tuple[float, float]) -> tuple[Published, ...]:
    """The paper's of a row."""
    return shared.published("Table 3", **dict(zip(METRICS, printed, strict=True)))


def ablations(variant: shared.Variant) -> dict[str, StageConfig]:
    """The rows of the table, of the stage `both` of table2.py and of the pretraining."""
    found: dict[str, StageConfig] = {}
    for name, (label, masked, printed) in MASKED.items():
        found[name] = EvaluateStage(
            label=label,
            section=TABLE,
            of="both",
            data=shared.data(("face", "speech"), variant),
            tasks=shared.TASKS,
            metrics=METRICS,
            missing=(Missing(of=masked, share=1.0),) if masked else (),
            published=() if variant.synthetic else figures(printed),
        )
    still = shared.visual(variant, "static")
    asked = {"metrics": METRICS}
    start = shared.from_emotions("visual")
    found["static"] = shared.row("Only static facial", TABLE, still, variant, start, figures(STILL), **asked)
    prosodic = shared.audio(variant, "prosody")
    found["prosody"] = shared.row("Only prosodic speech", TABLE, prosodic, variant, (), figures(PROSODIC), **asked)
    return {**shared.references(TABLE, variant), **found}


def get_config(variant: str = "") -> Experiment:
    """The experiment; `variant` is "", "small" or "synthetic"."""
    chosen = shared.variant_of("table3.py", variant)
    return shared.experiment(
        "table3",
        ", Table 3: what is taken away",
        "The joint network without one of its modalities, and networks on a single frame and on prosody.",
        chosen,
        {**table2.stages(chosen), **ablations(chosen)},
    )
