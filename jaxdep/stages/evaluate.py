"""Applies the seeds that another stage trained to data in which some participants lack a modality."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from input_pipeline.batching import Bucket, Examples, Padded
from jaxdep.config import EvaluateStage, TrainStage
from jaxdep.config.stages.missing import draws_of
from jaxdep.stages import StageRun
from jaxdep.stages.predictions import predictions
from jaxdep.stages.trained import restore

Lacked = tuple[str, ...]  # the features that a participant lacks


def run(config: EvaluateStage, stage: StageRun) -> None:
    """Writes predictions.csv of the seeds on the changed data; of several draws of who lacks something with a column `draw`.

    Raises:
        DataError: there is no test split, or the other stage's checkpoint is gone.
    """
    drawn: dict[str, list[np.ndarray]] = {}
    remarks = []
    for missing in config.missing:
        drawn[missing.of], remark = stage.lacking(missing)
        remarks.append(remark)
    source = stage.other(config.of).record
    stage.remember(**{name: source[name] for name in ("diverged", "chosen", "variants")}, remark=" ".join(remarks))
    # What is decided of a participant depends on what they lack, and not on who else does: no draw is computed anew.
    lacked = [_lacked({of: draws[draw] for of, draws in drawn.items()}) for draw in range(draws_of(config.missing))]
    ways = sorted({(), *(way for of_draw in lacked for way in of_draw.values())})
    found = {way: _without(way, drawn, config, stage) for way in ways}
    for name in found[()]:
        tables = [_of_draw(of_draw, {way: files[name] for way, files in found.items()}) for of_draw in lacked]
        if len(tables) > 1:
            tables = [table.assign(draw=draw) for draw, table in enumerate(tables)]
        stage.write_csv(name, pd.concat(tables, ignore_index=True))


def _lacked(drawn: Mapping[str, np.ndarray]) -> dict[str, Lacked]:
    """By participant the features that they lack in a draw, of those who lack any."""
    everybody = {one for participants in drawn.values() for one in participants.tolist()}
    return {one: tuple(of for of, participants in drawn.items() if one in participants) for one in everybody}


def _without(
    way: Lacked, drawn: Mapping[str, Sequence[np.ndarray]], config: EvaluateStage, stage: StageRun
) -> dict[str, pd.DataFrame]:
    """The files of decisions, by name, where all who lack such a feature in any draw lack these ones."""
    trained, examples = stage.stages[config.of], stage.examples
    assert isinstance(trained, TrainStage)  # Experiment.check
    for feature in way:  # of those who are tested alone: the others are what features are standardised by
        examples = _masked(examples, feature, np.concatenate(drawn[feature]))
    changed, source = dataclasses.replace(stage, examples=examples), stage.other(config.of, examples)
    return predictions(config.tasks, changed, *restore(trained, source))


def _of_draw(lacked: Mapping[str, Lacked], found: Mapping[Lacked, pd.DataFrame]) -> pd.DataFrame:
    """Each participant's decisions without what they lack, in the order of the rows."""
    rows = [
        table[np.array([lacked.get(one, ()) == way for one in table["participant"]], bool)]
        for way, table in found.items()
    ]
    return pd.concat(rows).sort_index(kind="stable")


def _masked(examples: Examples, feature: str, participants: np.ndarray) -> Examples:
    """The examples without a feature of these participants."""
    lacks = np.isin(examples.participants, participants)

    def of_bucket(bucket: Bucket) -> Bucket:
        values, mask = bucket.features[feature]
        rest = mask & ~lacks[bucket.rows].reshape(-1, *[1] * (mask.ndim - 1))
        masked = Padded(np.where(rest.reshape(*rest.shape, *[1] * (values.ndim - mask.ndim)), values, 0), rest)
        return dataclasses.replace(bucket, features=bucket.features | {feature: masked})

    return dataclasses.replace(examples, buckets=tuple(map(of_bucket, examples.buckets)))
