"""Applies the seeds that another stage trained to data in which some participants lack a modality."""

import dataclasses

import numpy as np

from input_pipeline.batching import Bucket, Examples, Padded
from jaxdep.config import EvaluateStage, TrainStage
from jaxdep.stages import StageRun
from jaxdep.stages.predictions import write_predictions
from jaxdep.stages.trained import restore


def run(config: EvaluateStage, stage: StageRun) -> None:
    """Writes predictions.csv of the seeds on the changed data.

    Raises:
        DataError: there is no test split, or the other stage's checkpoint is gone.
    """
    trained, examples, remarks = stage.stages[config.of], stage.examples, []
    assert isinstance(trained, TrainStage)  # Experiment.check
    for missing in config.missing:
        participants, remark = stage.lacking(missing)
        examples = _masked(examples, missing.of, participants)
        remarks.append(remark)
    source = stage.other(config.of, examples)
    inherited = {name: source.record[name] for name in ("diverged", "chosen", "variants")}
    stage.remember(**inherited, remark=" ".join(remarks))
    changed = dataclasses.replace(stage, examples=examples)
    write_predictions(config.tasks, changed, *restore(trained, source))


def _masked(examples: Examples, feature: str, participants: np.ndarray) -> Examples:
    """The examples without a feature of these participants."""
    lacks = np.isin(examples.participants, participants)

    def of_bucket(bucket: Bucket) -> Bucket:
        values, mask = bucket.features[feature]
        rest = mask & ~lacks[bucket.rows].reshape(-1, *[1] * (mask.ndim - 1))
        masked = Padded(np.where(rest.reshape(*rest.shape, *[1] * (values.ndim - mask.ndim)), values, 0), rest)
        return dataclasses.replace(bucket, features=bucket.features | {feature: masked})

    return dataclasses.replace(examples, buckets=tuple(map(of_bucket, examples.buckets)))
