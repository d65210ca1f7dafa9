"""Table 1(a): the emotion model on IEMOCAP from audio, from text and from both, 20 seeds.

    python -m jaxdep.main --config=configs/emotion_transfer/table1_iemocap.py --workdir=runs/table1_iemocap --data_dir=DIR
    python -m jaxdep.main --config=configs/emotion_transfer/table1_iemocap.py:synthetic --workdir=runs/table1_iemocap_synthetic

DIR holds `iemocap/Session1..5`. Each session is tested once, in a fold in which the one before it validates, so that no
speaker is in two splits; a seed's decisions on all sessions are scored together. `:fold1` to `:fold5` test that session
alone. Sentences are embedded by BERT-base, which is fetched from the hub at first. `:synthetic` runs on a stand-in with
hashed words and narrower networks, on two CPU cores.
"""

from configs.emotion_transfer import _shared as shared
from jaxdep.config import (
    BaselineStage,
    Data,
    Experiment,
    Folds,
    Further,
    Published,
    Splits,
    StageConfig,
    StandIn,
    Task,
    TrainStage,
    trivial_baselines,
)
from jaxdep.losses import Huber
from jaxdep.models import ModelConfig

SECTION = "Table 1(a). Emotion recognition on IEMOCAP"
SOURCE = "Wu et al. 2022, Table 1(a)"
ATTRIBUTES = ("valence", "activation", "dominance")
TASKS = {"emotion": Task()} | {name: Task(loss=Huber(center=3.0)) for name in ATTRIBUTES}  # 1 to 5
METRICS = ("unweighted_accuracy", "accuracy", "f1_macro")
FIGURES = {  # WA, UA, MAE of valence, activation, dominance
    "a": (0.6488, 0.6656, 0.6182, 0.4729, 0.6225),
    "t": (0.7326, 0.7350, 0.4848, 0.5113, 0.6161),
    "at": (0.7718, 0.7787, 0.4501, 0.4404, 0.559),
}


SESSIONS = Splits(folds=Folds(by="split"))  # leave one session out


def fold(session: int) -> Splits:
    """Tests one session, validates on the one before it (of the first: the last), trains on the other three."""
    before = 5 if session == 1 else session - 1
    train = tuple(f"session{one}" for one in range(1, 6) if one not in (session, before))
    return Splits(train=train, validation=(f"session{before}",), test=(f"session{session}",))


def data(form: str, synthetic: bool, splits: Splits) -> Data:
    """IEMOCAP, or its stand-in of 30 dialogues, as one form of the model reads it."""
    stand_in = StandIn(sessions=30) if synthetic else None
    return shared.utterances("iemocap", form, synthetic, stand_in, splits)


def row(form: str, synthetic: bool, splits: Splits) -> TrainStage:
    """The emotion model in one form, with the four classes and the three attributes as tasks."""
    wa, ua, *errors = FIGURES[form]
    published = (
        Published("unweighted_accuracy", figure=ua, source=SOURCE),
        Published("accuracy", figure=wa, source=SOURCE),
    )
    further = tuple(
        Further(
            label=name,
            against=name,
            task=name,
            metrics=("mae", "ccc"),
            published=() if synthetic else (Published("mae", figure=error, source=SOURCE),),
        )
        for name, error in zip(ATTRIBUTES, errors, strict=True)
    )
    model: ModelConfig = shared.emotion_model(form, synthetic)
    return TrainStage(
        label=f"IEMOCAP {shared.FORMS[form]}",
        section=SECTION,
        data=data(form, synthetic, splits),
        tasks=TASKS,
        metrics=METRICS,
        model=model,
        optimizer=shared.optimizer(synthetic),
        training=shared.pretraining(synthetic, monitor="unweighted_accuracy"),
        published=() if synthetic else published,
        further=further,
    )


def stages(synthetic: bool, splits: Splits) -> dict[str, StageConfig]:
    """The trivial baselines, and the three forms of the model."""
    text = data("t", synthetic, splits)
    trivial: dict[str, BaselineStage] = {
        **trivial_baselines(text, TASKS, binary=False, metrics=METRICS),
        **{
            name: BaselineStage(
                kind="median", label=f"Median {name}", data=text, tasks={name: TASKS[name]}, metrics=("mae",)
            )
            for name in ATTRIBUTES
        },
    }
    for stage in trivial.values():
        stage.section, stage.label = SECTION, f"IEMOCAP: {stage.label.lower()}"
    found: dict[str, StageConfig] = {
        **{f"iemocap_{name}": stage for name, stage in trivial.items()},
        **{f"iemocap_{form}": row(form, synthetic, splits) for form in shared.FORMS},
    }
    if splits.folds is None:  # else each seed has five models to look into
        found["iemocap_attention"] = shared.attention("iemocap_at", data("at", synthetic, splits))
    return found


def get_config(variant: str = "") -> Experiment:
    """The experiment; `variant` is "", "synthetic", or "fold1" to "fold5"."""
    folds = {f"fold{session}": fold(session) for session in range(1, 6)}
    synthetic = shared.is_synthetic("table1_iemocap.py", variant, tuple(folds))
    return shared.experiment(
        "table1_iemocap",
        "Emotion transfer, Table 1(a): emotion recognition on IEMOCAP",
        "Four classes by cross entropy, valence, activation and dominance by Huber loss, in one model.",
        synthetic,
        stages(synthetic, folds.get(variant, SESSIONS)),
    )
