"""Applies the seeds that another stage trained to data in which some participants lack a modality."""

import dataclasses

import numpy as np

from input_pipeline.batching import Bucket, Examples, Padded
from input_pipeline.config import ConfigError
from jaxdep.config import EvaluateStage, TrainStage
from jaxdep.resident import Viewer
from jaxdep.stages import StageRun, lacking
from jaxdep.stages.train import restore, write_predictions

SEED = 0  # of whose reported splits the missing participants are drawn


def run(config: EvaluateStage, stage: StageRun) -> None:
    """Writes predictions.csv of the seeds on the changed data.

    Raises:
        ConfigError: a feature that is to be missing is not in the data.
        DataError: the other stage's checkpoint is gone.
    """
    trained, examples = stage.stages[config.of], stage.examples
    assert isinstance(trained, TrainStage)  # Experiment.check
    units = Viewer(examples, config.tasks, config.data.splits, config.data.normalize).view(SEED).units
    remarks = []
    for missing in config.missing:
        if missing.of not in examples.fingerprints:
            known = ", ".join(examples.fingerprints)
            raise ConfigError(f"stages.{stage.name}.missing: there is no feature {missing.of!r}; there are {known}")
        for part in config.report:
            participants, remark = lacking(missing, part, units[part].participants)
            examples = _masked(examples, missing.of, participants)
            remarks.append(remark)
    source = stage.other(config.of, examples)
    stage.remember(diverged=source.record["diverged"], remark=" ".join(remarks))
    write_predictions(config.tasks, dataclasses.replace(stage, examples=examples), *restore(trained, source))


def _masked(examples: Examples, feature: str, participants: np.ndarray) -> Examples:
    """The examples without a feature of these participants."""
    lacks = np.isin(examples.participants, participants)

    def of_bucket(bucket: Bucket) -> Bucket:
        values, mask = bucket.features[feature]
        rest = mask & ~lacks[bucket.rows].reshape(-1, *[1] * (mask.ndim - 1))
        masked = Padded(np.where(rest[..., None], values, 0), rest)
        return dataclasses.replace(bucket, features=bucket.features | {feature: masked})

    return dataclasses.replace(examples, buckets=tuple(map(of_bucket, examples.buckets)))
