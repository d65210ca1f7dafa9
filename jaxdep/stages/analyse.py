"""Looks at what emotion models say of the segments of interviews: means by group (profile), single participants."""

from collections.abc import Sequence

import pandas as pd

from input_pipeline.errors import DataError
from jaxdep.config import CaseStudyStage, Finding, ProfileStage
from jaxdep.config.findings import FINDINGS
from jaxdep.config.stages.analyse import AnalyseStage
from jaxdep.config.stages.case_study import CASE_STUDY
from jaxdep.config.stages.profile import PROFILE
from jaxdep.stages import StageRun
from jaxdep.stages.extract import KEYS, read_outputs
from jaxdep.statistics import stability


def profile(config: ProfileStage, stage: StageRun) -> None:
    """Writes profile.csv: of each model, output and group the mean over all segments (section 4: "averaged across all
    input samples"), with a 95 % interval over participants by percentile bootstrap.

    Raises:
        DataError: nobody of the split is in a group.
    """
    rows = []
    for name in config.of:
        outputs = _grouped(config.group_by, read_outputs(stage.other(name)), stage)
        outputs = outputs[outputs["split"] == config.split]
        if outputs.empty:
            raise DataError(
                f"stages.{stage.name}: no recording of split {config.split!r} has a label {config.group_by!r}"
            )
        for column in _decisions(outputs):
            for group, of_group in outputs.groupby("group", sort=False):
                participants = of_group.groupby("participant")[column]
                found = stability.pooled_mean(participants.sum().to_numpy(), participants.count().to_numpy())
                counts = of_group["recording"].nunique(), len(of_group)
                rows.append((stage.stages[name].title, *_task_and_class(column), group, *found, *counts))
    table = pd.DataFrame(rows, columns=list(PROFILE.columns))
    stage.write_csv(PROFILE.name, table)
    _write_findings(config, stage, [_profiled(finding, table, stage) for finding in config.findings])
    stage.remember()


def case_study(config: CaseStudyStage, stage: StageRun) -> None:
    """Writes case_study.csv, one row for each segment, model and output of the participants.

    Raises:
        DataError: a participant is not in the corpus, nobody is in the group, or the models saw other segments.
    """
    by_model = {name: _grouped(config.group_by, read_outputs(stage.other(name)), stage) for name in config.of}
    audio, text = by_model.values()
    if not audio[KEYS].equals(text[KEYS]):
        raise DataError(f"stages.{stage.name}.of: {' and '.join(config.of)} have other segments; give both the same")
    participants = config.participants or _disagreeing(config, audio, text, stage)
    unknown = sorted(set(participants) - set(audio["participant"]))
    if unknown:
        raise DataError(f"stages.{stage.name}.participants: the corpus has no labelled participant {unknown[0]!r}")
    tables = []
    for name, outputs in by_model.items():
        chosen = outputs[outputs["participant"].isin(participants)]
        chosen = chosen.assign(words=_words(config, stage, chosen), model=stage.stages[name].title)
        keys = [column for column in chosen.columns if column not in _decisions(chosen)]
        tables.append(chosen.melt(id_vars=keys, value_vars=_decisions(chosen), var_name="output"))
    table = pd.concat(tables, ignore_index=True).rename(columns={"group": "target"})
    table[["task", "class"]] = [_task_and_class(column) for column in table["output"]]
    place = table["participant"].map({name: place for place, name in enumerate(participants)})
    table = table.assign(place=place).sort_values(["place", "segment"], kind="stable")
    stage.write_csv(CASE_STUDY.name, table[list(CASE_STUDY.columns)])
    _write_findings(config, stage, [_most_frequent(finding, table, stage) for finding in config.findings])
    stage.remember(remark="" if config.participants else _how_chosen(config, participants))


def _write_findings(config: AnalyseStage, stage: StageRun, found: Sequence[tuple[str, str, str]]) -> None:
    """findings.csv: of each finding of the paper what it is about, what the paper found, and what is found here."""
    rows = [
        (finding.model, about, paper, here, int(paper == here), finding.source)
        for finding, (about, paper, here) in zip(config.findings, found, strict=True)
    ]
    stage.write_csv(FINDINGS.name, pd.DataFrame(rows, columns=list(FINDINGS.columns)))


def _profiled(finding: Finding, table: pd.DataFrame, stage: StageRun) -> tuple[str, str, str]:
    """Of the model's means by group: in which an output is higher, or which class is dominant over all segments."""
    model = table[table["model"] == finding.model]
    rows = model[model["class"].where(model["class"] != "", model["task"]) == finding.output]
    if rows.empty:
        raise _unknown_output(finding, stage)
    if finding.higher_in:
        return f"mean {finding.output} is higher in", finding.higher_in, _highest(rows.set_index("group")["mean"])
    rows = model[model["task"] == rows["task"].iloc[0]]
    sums = (rows["mean"] * rows["segments"]).groupby(rows["class"], sort=False).sum()
    return f"dominant {rows['task'].iloc[0]}", finding.output, _highest(sums)


def _most_frequent(finding: Finding, table: pd.DataFrame, stage: StageRun) -> tuple[str, str, str]:
    """The class that is most often the likeliest in a participant's segments, by the model."""
    rows = table[(table["model"] == finding.model) & (table["participant"] == finding.participant)]
    tasks = rows.loc[rows["class"] == finding.output, "task"]
    if tasks.empty:
        raise _unknown_output(finding, stage)
    rows = rows[rows["task"] == tasks.iloc[0]].reset_index(drop=True)
    likeliest = rows.loc[rows.groupby(["recording", "segment"], sort=False)["value"].idxmax(), "class"]
    about = f"participant {finding.participant}, most frequent {tasks.iloc[0]}"
    return about, finding.output, _highest(likeliest.value_counts(sort=False))


def _highest(values: "pd.Series[float]") -> str:
    """The name of the highest of some values; several where they are equal."""
    return " and ".join(map(str, values.index[values == values.max()]))


def _unknown_output(finding: Finding, stage: StageRun) -> DataError:
    of = f" of participant {finding.participant!r}" if finding.participant else ""
    return DataError(f"stages.{stage.name}.findings: {finding.model} says nothing of {finding.output!r}{of}")


def _decisions(outputs: pd.DataFrame) -> list[str]:
    return [column for column in outputs.columns if column not in (*KEYS, "group", "words", "model")]


def _task_and_class(column: str) -> tuple[str, str]:
    task, _, of_class = column.partition(":")
    return task, of_class


def _grouped(label: str, outputs: pd.DataFrame, stage: StageRun) -> pd.DataFrame:
    """The segments of the recordings that have the label, with its class as `group`, in the order of the classes."""
    examples = stage.examples
    of_recording = dict(zip(examples.group_ids, examples.labels[label][examples.first_rows], strict=True))
    index = outputs["recording"].map(of_recording)
    names = dict(enumerate(examples.classes[label]))
    known_rows = outputs.assign(index=index, group=index.map(names))[index >= 0]
    return known_rows.sort_values("index", kind="stable").drop(columns="index").reset_index(drop=True)


def _words(config: CaseStudyStage, stage: StageRun, segments: pd.DataFrame) -> list[str]:
    """What was said in each segment; empty where it is not to be shown, or the corpus is not here."""
    segmentation = next(iter(config.data.computed.values())).segmentation
    words = stage.sources.words(config.data, segmentation) if config.words else {}
    places = zip(segments["recording"], segments["segment"], strict=True)
    return [words[recording][segment] if recording in words else "" for recording, segment in places]


def _disagreeing(config: CaseStudyStage, audio: pd.DataFrame, text: pd.DataFrame, stage: StageRun) -> tuple[str, ...]:
    """The participants of the group in whose segments the two models' likeliest classes differ most often."""
    there = (audio["group"] == config.group) & (audio["split"] == config.split)
    if not there.any():
        raise DataError(f"stages.{stage.name}.group: nobody of split {config.split!r} is {config.group!r}")
    first, second = (outputs[there][_classes(outputs)].to_numpy().argmax(1) for outputs in (audio, text))
    share = pd.Series(first != second).groupby(audio[there]["participant"].to_numpy()).mean()
    return tuple(share.sort_values(ascending=False, kind="stable").index[: config.count])


def _classes(outputs: pd.DataFrame) -> list[str]:
    """The columns of the first task that has classes."""
    named = [column for column in _decisions(outputs) if ":" in column]
    return [column for column in named if _task_and_class(column)[0] == _task_and_class(named[0])[0]]


def _how_chosen(config: CaseStudyStage, participants: tuple[str, ...]) -> str:
    return (
        f"Participants {', '.join(participants)}: those {config.group} in {config.split} of whom the two models "
        "disagree in the largest share of segments."
    )
