"""Section II.C: feature-level fusion against decision-level fusion, also where a modality is missing, 20 seeds.

    python -m jaxdep.main --config=configs/bilstm_cnn/fusion.py --workdir=runs/bilstm_cnn_fusion --data_dir=DIR
    python -m jaxdep.main --config=configs/bilstm_cnn/fusion.py:synthetic --workdir=runs/bilstm_cnn_fusion_synthetic

The members are the two parts of Bi-LSTM-CNN, each trained alone. Temperatures, weights and the stacked regression are
fitted to each seed's dev split, which nothing else was chosen on; the scores are of the test split. Then three in ten test
participants lack their text, or their speech: decision-level fusion decides from the other, the joint network meets no
words, or no frames. Who they are is drawn 20 times. The paper prints no figures for any of this.

`:glove` and `:bert` have learnt vectors of words, as table1.py says; without either they are hashed.
"""

from typing import Any

from configs.bilstm_cnn import table1
from jaxdep.config import EvaluateStage, Experiment, FuseStage, Missing, StageConfig, trivial_baselines

MEMBERS = {"text": "text_bilstm_cnn", "audio": "speech_lstm_cnn"}
RULES = {
    "mean": "mean",
    "product": "product",
    "max": "maximum",
    "weighted": "weighted mean",
    "stacked": "stacked regression",
}
SHARE = 0.3  # of the test participants that lack a modality
DRAWS = 20  # of who they are


def members(variant: str) -> dict[str, StageConfig]:
    """The networks of one modality that are fused."""
    text, speech = table1.networks(variant)
    return {
        MEMBERS["text"]: table1.row("Bi-LSTM-CNN's text network", text, variant),
        MEMBERS["audio"]: table1.row("LSTM-CNN (speech)", speech, variant),
    }


def fused(variant: str) -> dict[str, StageConfig]:
    """Each member calibrated, every rule, and the rules and the joint network with a modality missing."""
    whole: dict[str, Any] = {
        "data": table1.data("text", "audio", variant=variant),
        "tasks": table1.TASKS,
        "metrics": table1.METRICS,
    }
    partly = whole | {"metrics": (*table1.READINGS, "accuracy", "unweighted_accuracy")}
    both = tuple(MEMBERS.values())
    found: dict[str, StageConfig] = {}
    for modality, member in MEMBERS.items():
        label = f"{members(variant)[member].label}, calibrated"
        found[f"{modality}_calibrated"] = FuseStage(label=label, members=(member,), **whole)
    found["mean_uncalibrated"] = FuseStage(label="Fused: mean, uncalibrated", members=both, calibration="none", **whole)
    for rule, name in RULES.items():
        found[rule] = FuseStage(label=f"Fused: {name}", members=both, rule=rule, **whole)  # type: ignore[arg-type]
    for modality, member in MEMBERS.items():
        lacking = f"some lack {'speech' if modality == 'audio' else modality}"
        found[f"joint_without_{modality}"] = EvaluateStage(
            label=f"Joint network, {lacking}",
            of="joint",
            missing=(Missing(modality, share=SHARE, draws=DRAWS),),
            **partly,
        )
        for rule, name in RULES.items():
            found[f"{rule}_without_{modality}"] = FuseStage(
                label=f"Fused: {name}, {lacking}",
                members=both,
                rule=rule,  # type: ignore[arg-type]
                missing=(Missing(member, share=SHARE, draws=DRAWS),),
                **partly,
            )
    return found


def get_config(variant: str = "") -> Experiment:
    """The experiment; `variant` is "", "glove", "bert" or "synthetic"."""
    table1.check_variant("fusion.py", variant)
    joint = table1.joint(variant)
    return table1.experiment(
        "fusion",
        "Bi-LSTM-CNN: feature-level and decision-level fusion",
        "One network on both modalities against the calibrated decisions of two, with everything there and without.",
        variant,
        {
            **trivial_baselines(joint.data, table1.TASKS, metrics=table1.CONFUSION_METRICS),
            **members(variant),
            "joint": joint,
            **fused(variant),
        },
    )
