"""What an experiment asks of its data: checked before anything is computed, and told on its page."""

import contextlib
import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from input_pipeline import batching
from input_pipeline.batching import Examples
from input_pipeline.config import ConfigError
from input_pipeline.corpora import label_types
from input_pipeline.errors import DataError
from input_pipeline.left_out import LeftOut, counted
from input_pipeline.recording import Corpus
from jaxdep.config import Data, Experiment, ScoredStage, StageConfig
from jaxdep.config.labels import Labels
from jaxdep.engine.splits import assign, check_labelled, divided, is_labelled
from jaxdep.stages.sources import Sources, with_levels
from jaxdep.statistics import metrics

_metrics_of = functools.cache(metrics.names)  # traced anew it takes tens of milliseconds, of every row


def check(experiment: Experiment, sources: Sources) -> None:
    """Tells what a stage asks for and its corpus cannot give, as far as that is known without its features.

    Raises:
        ConfigError: the corpus has nothing of the kind; the line names the field.
        DataError: the corpus is broken, or some of its recordings lack it.
    """
    for name, stage in experiment.stages.items():
        with _of_stage(name):
            stage.check_labels(declared(stage.data))
    for name, stage in experiment.stages.items():
        with _of_stage(name):
            corpus = sources.check(stage.data)
        if corpus is not None:
            recordings = with_levels(batching.without_features(corpus), stage.data.levels)
            _check_sources(name, stage, recordings, corpus)
            check_found(name, stage, recordings)
            _check_reported(name, stage, recordings, corpus)


def check_found(name: str, stage: StageConfig, examples: Examples) -> None:
    """Tells what a stage asks for and these recordings have not; raises as `check`."""
    scores = [label for label in examples.labels if label not in examples.classes]
    labels = Labels(stage.data.corpus, examples.classes, scores, _metrics_of)
    with _of_stage(name):
        stage.check_labels(labels)
    for field in stage.metadata():
        known = examples.metadata.get(field, np.full(len(examples.ids), ""))
        if "" in known:
            unit = examples.ids[int(np.argmax(known == ""))]
            raise DataError(
                f"config.stages.{name}: it needs the {field} of each recording, and that of {unit} is not known"
            )


def warn(experiment: Experiment, sources: Sources, stages: Path) -> None:
    """Warns of each share above a tenth that a stage does not get to see; of features that are there already."""
    told: set[str] = set()
    for name, stage in experiment.stages.items():
        if stage.data.extracted:
            continue  # told by the stage that extracts them, of what it reads
        for one in sources.left_out(stage.data, stages):
            if one.is_much and one.sentence not in told:
                told.add(one.sentence)
                sources.console.print(f"WARNING: stages.{name}, {stage.data.corpus}: {one.sentence}")


def described(stage: StageConfig, examples: Examples) -> dict[str, Any]:
    """What stage.json says of the data: how many recordings, participants and examples, and what is left out; copies are
    nobody's, and do not count."""
    first = examples.first_rows[: examples.n_recordings]
    splits, counts = np.unique(examples.splits[first], return_counts=True)
    return {
        "recordings": examples.n_recordings,
        "participants": len(np.unique(examples.participants)),
        "examples": examples.n_originals,
        "splits": {split: int(count) for split, count in zip(splits.tolist(), counts, strict=True)},
        "left_out": [one._asdict() for one in (*examples.left_out, *_unused(stage, examples))],
    }


def paragraphs(
    stages: Mapping[str, StageConfig], records: Mapping[str, Mapping[str, Any]]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """By corpus, the sentences of the page about its data, each once."""
    found: dict[str, dict[str, None]] = {}
    for name, stage in stages.items():
        told = records[name].get("data")
        if told is None:
            continue  # finished before it was recorded
        splits = ", ".join(f"{split or 'no split'} {count}" for split, count in told["splits"].items())
        sentences = [
            f"{told['recordings']} recordings of {told['participants']} participants: {splits}.",
            *(LeftOut(**one).sentence for one in told["left_out"]),
        ]
        if not records[name]["synthetic"]:
            sentences += [f"{key}: {one.remark}" for key, one in stage.data.computed.items() if one.remark]
        found.setdefault(stage.data.corpus, {}).update(dict.fromkeys(sentences))
    return tuple((corpus, tuple(sentences)) for corpus, sentences in found.items())


@contextlib.contextmanager
def _of_stage(name: str) -> Iterator[None]:
    """Puts the path of a stage before the field that a ConfigError names."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"config.stages.{name}.{error}") from None


def declared(data: Data) -> Labels:
    """The labels that the corpus may have, whether it is here or not."""
    types = label_types(data.corpus, data.classes, data.scores)
    for name, levels in data.levels.items():
        if levels.of not in types.scores:
            known = ", ".join(types.scores) or "none"
            raise ConfigError(
                f"data.levels.{name}.of: {data.corpus} has no score {levels.of!r}; its scores are {known}"
            )
        if name in (*types.classes, *types.scores):
            raise ConfigError(f"data.levels: {data.corpus} has a label {name!r} of its own; call the levels otherwise")
    classes = {**types.classes, **{name: levels.classes for name, levels in data.levels.items()}}
    return Labels(data.corpus, classes, types.scores, _metrics_of)


def _parts(stage: ScoredStage, examples: Examples) -> list[dict[str, np.ndarray]]:
    """Who trains, validates and is tested in each fold; of a drawn validation split, one draw."""
    labels = examples.labels[stage.task]
    return [assign(examples, fold, labels, 0) for fold in divided(examples, stage.data.splits, labels)]


def _check_sources(name: str, stage: StageConfig, recordings: Examples, corpus: Corpus) -> None:
    """Tells where a label comes from that the corpus may have and no recording has, if the reader knows."""
    for label in stage.tasks if isinstance(stage, ScoredStage) else ():
        if label not in recordings.labels and (source := corpus.source_of(label)):
            raise DataError(
                f"config.stages.{name}.tasks: no recording of {corpus.name} has the label {label!r}; {source}"
            )


def _check_reported(name: str, stage: StageConfig, recordings: Examples, corpus: Corpus) -> None:
    if not isinstance(stage, ScoredStage) or stage.data.splits.leaky:
        return  # what is divided there is windows, of which nothing is known without features
    for rows in _parts(stage, recordings):
        check_labelled(recordings, rows, stage.tasks)
        for part in stage.report:
            if part in rows and not is_labelled(recordings, rows[part], stage.task).any():
                splits = np.unique(recordings.splits[rows[part]]).tolist()
                remedy = next(filter(None, map(corpus.remedy, splits)), "label it, or report another split")
                raise DataError(f"config.stages.{name}.report: nobody in {part} has the label {stage.task!r}; {remedy}")


def _unused(stage: StageConfig, examples: Examples) -> tuple[LeftOut, ...]:
    """The recordings that a scored stage neither trains on nor decides about, and those of no known label."""
    if not isinstance(stage, ScoredStage):
        return ()
    used = np.unique(np.concatenate([rows for parts in _parts(stage, examples) for rows in parts.values()]))
    first = examples.first_rows[: examples.n_recordings]
    is_used = np.isin(first, used)
    lacks = ~is_labelled(examples, first[is_used], stage.task)
    return (
        *counted("recordings", "stand in none of the splits that are used", [(int(not x), 1) for x in is_used]),
        *counted("recordings", f"have no label {stage.task!r}", [(int(x), 1) for x in lacks]),
    )
