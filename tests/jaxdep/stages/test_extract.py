"""Segments of many recordings, read in batches of like length, come back in their own order."""

import types

import jax.numpy as jnp
import numpy as np
import pytest

from input_pipeline.batching import Stored
from input_pipeline.config import ConfigError
from jaxdep.config import ExtractStage, Task
from jaxdep.losses import Squared
from jaxdep.models import Outputs
from jaxdep.stages import extract


@pytest.fixture(scope="module")
def recordings():
    rng = np.random.default_rng(0)
    made = []
    for number in range(40):
        lengths = rng.integers(1, 150, size=rng.integers(5, 30)).astype(np.int32)
        values = rng.normal(size=(lengths.sum(), 3)).astype(np.float32)
        times = np.arange(len(lengths), dtype=np.float64)
        made.append(Stored(f"r{number}", f"p{number}", "train", {}, {}, values, lengths, times, times + 1))
    return made


@pytest.mark.parametrize("max_frames", [0, 20])
def test_each_segment_gets_what_the_model_says_of_its_frames_alone(recordings, max_frames):
    shapes = set()

    def respond(features):
        values, mask = features["audio"]
        shapes.add(values.shape)
        mean = jnp.sum(jnp.where(mask[..., None], values, 0), 1) / jnp.sum(mask, 1)[:, None]
        return Outputs({"mood": mean[:, :2], "score": mean[:, :1]}, jnp.zeros(len(mean)), {"emotion": mean})

    segments = {"audio": extract._Segments(recordings, max_frames)}
    stage, tasks = types.SimpleNamespace(name="of"), {"mood": Task(), "score": Task(loss=Squared())}
    found = extract._responses(ExtractStage(of="model"), stage, respond, segments, tasks)
    expected = [
        part[: max_frames or None].mean(0)
        for recording in recordings
        for part in np.split(recording.values, np.cumsum(recording.lengths)[:-1])
    ]
    assert len(expected) > 2 * 256
    np.testing.assert_allclose(found.layer, expected, atol=1e-5)
    np.testing.assert_allclose(found.decisions["score"][:, 0], np.array(expected)[:, 0], atol=1e-5)
    odds = np.log(found.decisions["mood"][:, 1] / found.decisions["mood"][:, 0])
    np.testing.assert_allclose(odds, np.diff(np.array(expected)[:, :2])[:, 0], atol=1e-4)
    assert {shape[0] for shape in shapes} == {256}
    assert len(shapes) <= (3 if not max_frames else 1)  # few shapes, few compilations


def test_a_layer_that_the_model_has_not_is_named(recordings):
    def respond(features):
        return Outputs({}, jnp.zeros(256), {"session": jnp.zeros((256, 2))})

    stage = types.SimpleNamespace(name="of")
    with pytest.raises(ConfigError, match=r"stages\.of\.layer: the model has no 'emotion'; it has session"):
        extract._responses(ExtractStage(of="model"), stage, respond, {"audio": extract._Segments(recordings, 0)}, {})
