"""Looks at what emotion models say of recordings, means by group (profile) and single participants (case study), at the
rows of their attention, and at the spread of detectors over the seeds (stability)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import scipy.special
import scipy.stats
from jaxtyping import Float

from input_pipeline.errors import DataError
from jaxdep import stability
from jaxdep.config import AttentionStage, CaseStudyStage, ProfileStage, ScoredStage, StabilityStage, TrainStage
from jaxdep.models import Masked, ModelConfig
from jaxdep.report import Row
from jaxdep.report import scores as reported
from jaxdep.splits import assign
from jaxdep.stages import StageRun
from jaxdep.stages.extract import OUTPUTS, chosen_seed, trained_stage

PROFILE, CASE_STUDY, STABILITY = "profile.csv", "case_study.csv", "stability.csv"
ATTENTION, ATTENTION_HEADS = "attention.csv", "attention_heads.csv"
_KEYS = ["recording", "participant", "split", "segment", "start_s", "stop_s"]
_AT_ONCE = 64


def profile(config: ProfileStage, stage: StageRun) -> None:
    """Writes profile.csv: of each model, output and group the mean over all segments (section 4: "averaged across all
    input samples"), with a 95 % interval over participants by percentile bootstrap.

    Raises:
        DataError: nobody of the split is in a group.
    """
    rows = []
    for name in config.of:
        outputs = _grouped(config.group_by, _outputs(stage, name), stage)
        outputs = outputs[outputs["split"] == config.split]
        if outputs.empty:
            raise DataError(
                f"stages.{stage.name}: no recording of split {config.split!r} has a label {config.group_by!r}"
            )
        for column in _decisions(outputs):
            task, _, of_class = column.partition(":")
            for group, of_group in outputs.groupby("group", sort=False):
                by_participant = of_group.groupby("participant")[column]
                sums, counts = by_participant.sum().to_numpy(), by_participant.count().to_numpy()
                low, high = _interval(sums, counts)
                mean = sums.sum() / counts.sum()
                recordings = of_group["recording"].nunique()
                label = stage.stages[name].label
                rows.append((label, task, of_class, group, mean, low, high, recordings, len(of_group)))
    columns = ["model", "task", "class", "group", "mean", "ci_low", "ci_high", "recordings", "segments"]
    stage.write_csv(PROFILE, pd.DataFrame(rows, columns=columns))
    stage.remember(diverged=[])


def case_study(config: CaseStudyStage, stage: StageRun) -> None:
    """Writes case_study.csv, one row for each segment, model and output of the participants.

    Raises:
        DataError: a participant is not in the corpus, or nobody is in the group.
    """
    by_model = {name: _grouped(config.group_by, _outputs(stage, name), stage) for name in config.of}
    audio, text = by_model.values()
    participants = config.participants or _disagreeing(config, audio, text, stage)
    unknown = sorted(set(participants) - set(audio["participant"]))
    if unknown:
        raise DataError(f"stages.{stage.name}.participants: the corpus has no labelled participant {unknown[0]!r}")
    segmentation = next(feature.segmentation for feature in config.data.features.values())  # type: ignore[union-attr]
    words = stage.sources.words(config.data, segmentation)
    tables = []
    for name, outputs in by_model.items():
        chosen = outputs[outputs["participant"].isin(participants)]
        spoken = [
            words[recording][segment] if recording in words else ""
            for recording, segment in zip(chosen["recording"], chosen["segment"], strict=True)
        ]
        long = chosen.assign(words=spoken, model=stage.stages[name].label).melt(
            id_vars=["participant", "recording", "group", "segment", "start_s", "stop_s", "words", "model"],
            value_vars=_decisions(outputs),
            var_name="output",
        )
        tables.append(long)
    table = pd.concat(tables, ignore_index=True).rename(columns={"group": "target"})
    table[["task", "class"]] = table.pop("output").str.partition(":")[[0, 2]]
    order = {participant: place for place, participant in enumerate(participants)}
    table = table.iloc[np.lexsort((table["segment"], table["participant"].map(order)))]
    stage.write_csv(CASE_STUDY, table[[*(c for c in table.columns if c != "value"), "value"]])
    stage.remember(diverged=[], remark="" if config.participants else _how_chosen(config, participants))


def attention(config: AttentionStage, stage: StageRun) -> None:
    """Writes attention.csv, the rows on a few test examples, and attention_heads.csv, how peaked each head is on all.

    Raises:
        DataError: nobody is tested, or the model attends to nothing.
    """
    trained = stage.stages[config.of]
    assert isinstance(trained, TrainStage)  # AttentionStage.check_need
    source = trained_stage(trained, stage.other(config.of))
    seed, ensemble, states = chosen_seed(config.seed, trained, source, stage.name)
    examples, task = source.examples, next(iter(trained.tasks))
    tested = assign(examples, trained.data.splits, examples.labels[task], 0).get("test", np.zeros(0, int))
    if not tested.size:
        raise DataError(f"stages.{stage.name}: attention is looked at on the test split, and nobody is in it")
    respond = ensemble.responder(states, seed)
    shown: list[pd.DataFrame] = []
    heads: list[pd.DataFrame] = []
    for bucket in examples.buckets:
        places = np.flatnonzero(np.isin(bucket.rows, tested))
        for start in range(0, len(places), _AT_ONCE):
            rows = places[np.minimum(np.arange(start, start + _AT_ONCE), len(places) - 1)]
            arrays: Any = {name: bucket.features[name] for name in trained.model.axes()}
            features = {name: Masked(values[rows], mask[rows]) for name, (values, mask) in arrays.items()}
            intermediates = respond(features).intermediates
            for place, row in enumerate(rows[: len(places) - start]):
                example = str(examples.ids[bucket.rows[row]])
                for branch, sharpness in _branches(trained.model, intermediates, stage.name).items():
                    weights = np.asarray(intermediates[f"{branch}_attention"][place], np.float64)
                    weights = weights[:, weights.any(0)]  # without what is padded
                    heads.append(_peakedness(example, branch, sharpness, weights))
                    if len(shown) < config.shown * len(_branches(trained.model, intermediates, stage.name)):
                        shown.append(_rows(example, branch, sharpness, weights))
    means = pd.concat(heads).groupby(["branch", "head", "sharpness"], sort=False, as_index=False)
    table = means.agg(peak=("peak", "mean"), flatness=("flatness", "mean"), examples=("example", "count"))
    stage.write_csv(ATTENTION, pd.concat(shown, ignore_index=True))
    stage.write_csv(ATTENTION_HEADS, table)
    stage.remember(diverged=[], remark=f"Seed {seed} of {config.of}.")


def spread(config: StabilityStage, stage: StageRun) -> None:
    """Writes stability.csv: the STD over the seeds of each row against that of each other one, with their ratio.

    Raises:
        ConfigError: a stage's predictions have no such metric.
    """
    of_stage = {name: _scores(name, config.metric, stage) for name in (*config.rows, *config.against)}
    table = [
        (
            *(stage.stages[row].label, stage.stages[other].label, "test", config.metric),
            *(len(of_stage[row]), len(of_stage[other]), _std(of_stage[row]), _std(of_stage[other])),
            *stability.spread_ratio(of_stage[row], of_stage[other]),
        )
        for row in config.rows
        for other in config.against
    ]
    columns = [
        "row",
        "against",
        "split",
        "metric",
        "n",
        "n_against",
        "std",
        "std_against",
        "ratio",
        "ci_low",
        "ci_high",
    ]
    stage.write_csv(STABILITY, pd.DataFrame(table, columns=columns))
    stage.remember(diverged=[])


def _std(scores: Float[np.ndarray, " S"]) -> float:
    return float(scores.std(ddof=1)) if len(scores) > 1 else np.nan


def _scores(name: str, metric: str, stage: StageRun) -> Float[np.ndarray, " S"]:
    """One score a seed of another stage's test decisions."""
    scored = stage.stages[name]
    assert isinstance(scored, ScoredStage)  # StabilityStage.check_need
    classes = stage.examples.classes.get(next(iter(scored.tasks)), ())
    positive = classes[1] if len(classes) == 2 else None
    row = Row(name, scored.label, "test", (metric,), positive, classes)
    return np.asarray(reported.read(row, stage.folder.parent.parent).per_seed[metric])


def _outputs(stage: StageRun, name: str) -> pd.DataFrame:
    path = stage.other(name).folder / OUTPUTS
    try:
        return pd.read_csv(path, dtype={"recording": str, "participant": str, "split": str}, keep_default_na=False)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: no outputs ({reason}); delete the stage's folder and run it again") from None


def _decisions(outputs: pd.DataFrame) -> list[str]:
    return [column for column in outputs.columns if column not in (*_KEYS, "group")]


def _grouped(label: str, outputs: pd.DataFrame, stage: StageRun) -> pd.DataFrame:
    """The segments of the recordings that have the label, with it, in the order of its classes."""
    examples = stage.examples
    if label not in examples.classes:
        raise DataError(
            f"stages.{stage.name}.group_by: {label!r} is no label with classes; there are {[*examples.classes]}"
        )
    of_recording = dict(zip(examples.group_ids, examples.labels[label][examples.first_rows], strict=True))
    index = outputs["recording"].map(of_recording)
    known = outputs[index >= 0].assign(group=np.asarray(examples.classes[label])[index[index >= 0]])
    return known.iloc[np.argsort(index[index >= 0].to_numpy(), kind="stable")]


def _interval(sums: Float[np.ndarray, " P"], counts: Float[np.ndarray, " P"]) -> tuple[float, float]:
    """95 % interval of the mean over segments, participants drawn again as wholes; NaN of a single one."""
    if len(sums) < 2:
        return np.nan, np.nan
    found = scipy.stats.bootstrap(
        (sums, counts),
        lambda total, n, axis: total.sum(axis) / n.sum(axis),
        paired=True,
        method="percentile",
        n_resamples=2000,
        rng=np.random.default_rng(0),
    )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def _disagreeing(config: CaseStudyStage, audio: pd.DataFrame, text: pd.DataFrame, stage: StageRun) -> tuple[str, ...]:
    """The participants of the group in whose segments the two models' likeliest classes differ most often."""
    chosen = [
        of_model[(of_model["group"] == config.group) & (of_model["split"] == config.split)]
        for of_model in (audio, text)
    ]
    if chosen[0].empty:
        raise DataError(f"stages.{stage.name}.group: nobody of split {config.split!r} is {config.group!r}")
    first, second = (of_model[_classes(of_model)].to_numpy().argmax(1) for of_model in chosen)
    share = pd.Series(first != second).groupby(chosen[0]["participant"].to_numpy()).mean()
    return tuple(share.sort_values(ascending=False, kind="stable").index[: config.count])


def _classes(outputs: pd.DataFrame) -> list[str]:
    """The columns of the first task that has classes."""
    named = [column for column in _decisions(outputs) if ":" in column]
    return [column for column in named if column.partition(":")[0] == named[0].partition(":")[0]]


def _how_chosen(config: CaseStudyStage, participants: tuple[str, ...]) -> str:
    return (
        f"Participants {', '.join(participants)}: those {config.group} in {config.split} of whom the two models "
        "disagree in the largest share of segments."
    )


def _branches(model: ModelConfig, intermediates: Mapping[str, object], stage: str) -> dict[str, tuple[float, ...]]:
    """By branch that attends, the target sharpness of its heads."""
    branches = [name.removesuffix("_attention") for name in intermediates if name.endswith("_attention")]
    if not branches:
        raise DataError(f"stages.{stage}.of: the model has no attention to look at")
    of_branch: Any = {branch: getattr(model, branch, model) for branch in branches}  # a model of one branch is that
    return {branch: config.head_sharpness for branch, config in of_branch.items()}


def _rows(example: str, branch: str, sharpness: tuple[float, ...], weights: Float[np.ndarray, "H T"]) -> pd.DataFrame:
    head, position = np.indices(weights.shape)
    columns = {"head": head.ravel(), "sharpness": np.asarray(sharpness)[head.ravel()], "position": position.ravel()}
    frame = pd.DataFrame({"example": example, "branch": branch} | columns)
    return frame.assign(weight=weights.ravel())


def _peakedness(
    example: str, branch: str, sharpness: tuple[float, ...], weights: Float[np.ndarray, "H T"]
) -> pd.DataFrame:
    """Of each head the largest weight, and exp(entropy) as a share of the positions: 1 is flat."""
    flatness = np.exp(scipy.special.entr(weights).sum(1)) / weights.shape[1]
    columns = {"head": np.arange(len(weights)), "sharpness": sharpness, "peak": weights.max(1), "flatness": flatness}
    return pd.DataFrame({"example": example, "branch": branch} | columns)
