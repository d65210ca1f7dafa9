"""Table 3: direct audio, direct text, emotion, and their votes, 20 seeds each.

    python -m jaxdep.main --config=configs/emotion_transfer/table3.py --workdir=runs/table3 --data_dir=DIR
    python -m jaxdep.main --config=configs/emotion_transfer/table3.py:synthetic --workdir=runs/table3_synthetic

DIR holds `cmu_mosei/` and `daic_woz/`. Emotion is the paper's best row of Table 2, the features of the MOSEI model from
audio and text. Which seed of each modality votes the paper does not tell: here seed by seed, each modality's seed that is
best on its own validation participants, and all seeds at once, as three rows. What becomes of the participants about whom
the modalities disagree is counted. As in the paper the split that is scored is DAIC-WOZ's dev, and its figures stand beside
seeds that all validate on the same participants; in a table of their own are the same rows where each seed draws who
validates (table2.py). The spreads are compared in both.
"""

import dataclasses

from configs.emotion_transfer import _shared as shared
from configs.emotion_transfer import table2
from input_pipeline.batching import Arrangement
from input_pipeline.features import LogMel
from jaxdep.config import Data, EvaluateStage, Experiment, FuseStage, Published, StabilityStage, StageConfig, TrainStage
from jaxdep.models.emotion_transfer import DirectAudio

SECTION = "Table 3. Three modalities and their vote"
SOURCE = "Wu et al. 2022, Table 3"
BEST = "mosei_at"
MEMBERS = ("audio", "text", "emotion")
RULES = {
    "each": "Vote, seed by seed",
    "best": "Vote of each modality's best seed by validation",
    "all": "Vote of all seeds",
}


def audio_data(synthetic: bool) -> Data:
    """Frames of 40 ms, at most 4 s of a turn on the stand-in, 10 s on the corpus: what a two-level model can hold."""
    arrangement = Arrangement(level="segments_frames", max_frames=100 if synthetic else 250)
    return shared.interviews({"audio": LogMel(pool_frames=4, normalize="none")}, arrangement, synthetic)


def direct_audio(synthetic: bool) -> TrainStage:
    """The bi-GRU on filterbanks, over the frames of a turn and over the turns (section 2.3)."""
    optimizer, training = table2.detection(synthetic)
    hidden = 16 if synthetic else 128
    return TrainStage(
        label="Direct audio",
        section=SECTION,
        data=audio_data(synthetic),
        tasks=table2.TASKS,
        metrics=table2.METRICS,
        model=DirectAudio(frame_hidden=hidden, segment_hidden=hidden, pooling="mean_std", dropout=0.2),
        optimizer=optimizer,
        training=dataclasses.replace(training, epochs=15 if synthetic else 60),
        published=() if synthetic else table2.f1((0.696, 0.608, 0.033), SOURCE),
    )


def direct_text(synthetic: bool) -> TrainStage:
    """The bi-LSTM on one sentence vector a turn, without those around it (section 2.3)."""
    optimizer, training = table2.detection(synthetic)
    features = shared.features("text", synthetic=synthetic, context=0)
    return TrainStage(
        label="Direct text",
        section=SECTION,
        data=shared.interviews(features, table2.SEGMENTS, synthetic),
        tasks=table2.TASKS,
        metrics=table2.METRICS,
        model=table2.detector("text", synthetic),
        optimizer=optimizer,
        training=training,
        published=() if synthetic else table2.f1((0.727, 0.600, 0.070), SOURCE),
    )


def emotion(synthetic: bool) -> TrainStage:
    """The best row of Table 2, for a table without Table 2."""
    return dataclasses.replace(
        table2.row(BEST, synthetic),
        label="Emotion",
        section=SECTION,
        published=() if synthetic else table2.f1(table2.FIGURES[BEST], SOURCE),
        note="Of the MOSEI model from audio and text, the best row of the paper's Table 2, whatever is best here.",
    )


def emotion_again(synthetic: bool) -> EvaluateStage:
    """The same row, where Table 2 trains it."""
    row = emotion(synthetic)
    return EvaluateStage(
        of=f"emotion_{BEST}",
        label=row.label,
        section=SECTION,
        data=row.data,
        tasks=row.tasks,
        metrics=row.metrics,
        published=row.published,
        note=row.note,
    )


def votes(synthetic: bool) -> dict[str, StageConfig]:
    """The majority vote of the three modalities, in three readings."""
    published = () if synthetic else (Published("f1", figure=0.869, source=SOURCE),)
    return {
        f"vote_{seeds}": FuseStage(
            label=label,
            section=SECTION,
            data=direct_text(synthetic).data,
            tasks=table2.TASKS,
            metrics=table2.METRICS,
            members=MEMBERS,
            rule="vote",
            seeds=seeds,  # type: ignore[arg-type]
            calibration="none",
            weight_by="f1",
            published=published,
        )
        for seeds, label in RULES.items()
    }


def stability(rows: tuple[str, ...], synthetic: bool) -> StabilityStage:
    """Section 3.4: are features of emotion more stable than audio and text directly?"""
    return StabilityStage(
        label="Spread over the seeds: emotion features against direct ones (section 3.4)",
        section="Stability",
        data=direct_text(synthetic).data,
        rows=rows,
        against=("audio", "text"),
        metric="f1",
    )


def rows(emotion_row: StageConfig, compared: tuple[str, ...], synthetic: bool) -> dict[str, StageConfig]:
    """The table in both protocols; `compared` are the stages whose spread is held against that of direct audio and text."""
    found: dict[str, StageConfig] = {
        **table2.trivial(synthetic, SECTION, "Table 3"),
        "audio": direct_audio(synthetic),
        "text": direct_text(synthetic),
        "emotion": emotion_row,
        **votes(synthetic),
        "stability": stability(compared, synthetic),
    }
    return {**found, **shared.drawn(found)}


def stages(synthetic: bool) -> dict[str, StageConfig]:
    """MOSEI alone is pretrained for this table, and one of its models extracts."""
    return {
        **table2.pretrained(synthetic, ("mosei",)),
        **table2.extracted((BEST,), synthetic),
        **rows(emotion(synthetic), ("emotion",), synthetic),
    }


def get_config(variant: str = "") -> Experiment:
    """The experiment; `variant` is "" or "synthetic"."""
    synthetic = shared.is_synthetic("table3.py", variant)
    return shared.experiment(
        "table3",
        "Emotion transfer, Table 3: audio, text, emotion, and their vote",
        "Three detectors decide on an interview, and vote; conflicts between them are counted.",
        synthetic,
        stages(synthetic),
    )
