"""Parameters from a published checkpoint, and what is said where they do not fit."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from input_pipeline.config import ConfigError
from jaxdep import config
from jaxdep.stages.start import started

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.fixture(scope="module")
def published_model(mean_model):
    @dataclasses.dataclass
    class Published(mean_model):
        """Reads a safetensors file with the head of one task."""

        def published(self, checkpoint):
            found = load_file(checkpoint)
            return {"heads": {"depressed": {"kernel": found["classifier.weight"].T, "bias": found["classifier.bias"]}}}

    return Published()


@pytest.fixture(scope="module")
def ensemble(make_ensemble, make_examples, published_model):
    return make_ensemble(make_examples(dim=5), published_model, count=3)


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "published.safetensors"
    weights = {
        "classifier.weight": np.arange(10, dtype=np.float32).reshape(2, 5),
        "classifier.bias": np.ones(2, np.float32),
    }
    save_file(weights, path)
    return path


def start(ensemble, model, *starts):
    stage = config.TrainStage(model=model, start=starts)
    return ensemble.fetch(started(stage, SimpleNamespace(name="text"), ensemble, ensemble.init()))


def test_every_seed_starts_from_the_published_parameters(ensemble, published_model, checkpoint):
    states = start(ensemble, published_model, config.Start(checkpoint=str(checkpoint)))
    for params in (states.params, states.best.params):
        for seed in range(3):
            np.testing.assert_array_equal(params["heads"]["depressed"]["kernel"][seed], np.arange(10).reshape(2, 5).T)


def test_what_is_left_out_is_each_seeds_own(ensemble, published_model, checkpoint):
    without = config.Start(checkpoint=str(checkpoint), part="heads.depressed", without=("heads.depressed.kernel",))
    states, own = start(ensemble, published_model, without), ensemble.fetch(ensemble.init())
    head, drawn = (found.params["heads"]["depressed"] for found in (states, own))
    np.testing.assert_array_equal(head["kernel"], drawn["kernel"])
    np.testing.assert_array_equal(head["bias"], np.ones((3, 2)))


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"part": "tail"}, r"start\[0\]\.part: the other model has no 'tail'; at its top it has heads"),
        ({"without": ("tail",)}, r"start\[0\]\.without: there is no 'tail'"),
        ({"part": "heads.depressed", "into": "heads.score"}, "this model has no 'heads.score"),
        ({"part": "heads.depressed.bias", "into": "heads.depressed.kernel"}, r"is \(2,\) there, \(5, 2\) here"),
    ],
)
def test_what_does_not_fit_is_named(ensemble, published_model, checkpoint, options, line):
    with pytest.raises(ConfigError, match=line):
        start(ensemble, published_model, config.Start(checkpoint=str(checkpoint), **options))


def test_a_model_that_reads_no_checkpoint_says_so(ensemble, mean_model):
    with pytest.raises(ConfigError, match="start: MeanModel reads no published checkpoint, found 'x'"):
        start(ensemble, mean_model(), config.Start(checkpoint="x"))


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        (config.Start(), "stage: name a stage or a checkpoint"),
        (config.Start(stage="a", checkpoint="b"), "stage: name a stage or a checkpoint"),
        (config.Start(stage="a", seed="first"), "seed: each, best, or a seed's number, found 'first'"),
    ],
)
def test_a_start_that_says_nothing_or_too_much_is_refused(wrong, line):
    with pytest.raises(ConfigError, match=line):
        wrong.check()
