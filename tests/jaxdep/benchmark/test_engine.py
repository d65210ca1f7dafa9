"""What is said of a step: its operations, that it is the engine's own, and the command line."""

import dataclasses
import subprocess
import sys
import textwrap

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from jax import lax

from jaxdep import config
from jaxdep.benchmark import engine
from jaxdep.benchmark.systems import SYSTEMS, System
from jaxdep.models.emotion_transfer import DirectText

pytestmark = pytest.mark.usefixtures("quick_compilation")

SMALL = System(DirectText(hidden=16), {"text": (24, 32)}, 8, {"depressed": 2}, "BiLSTM")


def flops(function, *args):
    return engine._flops(jax.make_jaxpr(function)(*args))


def test_operations_inside_scans_count_as_often_as_they_run():
    x, w = jnp.ones((8, 64)), jnp.ones((64, 64))

    def repeated(x, w):
        def inner(h, _):
            return lax.scan(lambda h, _: (h @ w, None), h, None, length=3)[0], None

        return lax.scan(inner, x, None, length=5)[0]

    assert flops(repeated, x, w) == pytest.approx(15 * 2 * 8 * 64 * 64, rel=0.01)
    assert flops(lambda x, w: x @ w, x, w) == pytest.approx(2 * 8 * 64 * 64, rel=0.01)


def test_operations_of_a_bilstm_step_are_about_those_of_its_products():
    """Forward, the gradient for the input kernel, and both gradients of the recurrence; the input needs none."""
    frames, dim = SMALL.shapes["text"]
    hidden, rows = SMALL.model.hidden, SMALL.batch_size * frames
    inputs, recurrent = 2 * rows * dim * 8 * hidden, 2 * rows * 2 * hidden * 4 * hidden
    assert 1 < engine.step_flops(SMALL) / (2 * inputs + 3 * recurrent) < 1.6  # and the gates, and the optimiser


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_system_has_examples_that_its_model_takes(name):
    system = SYSTEMS[name]
    features = system.examples().buckets[0].features
    assert set(features) == set(system.model.takes())
    for feature, (values, mask) in features.items():
        assert values.shape == (system.steps * system.batch_size, *system.shapes[feature])
        assert mask.all()
        assert (
            mask.ndim
            == {"vector": 1, "image": 1, "images": 2, "sequence": 2, "sequences": 3}[system.model.takes()[feature]]
        )


@pytest.mark.slow
def test_the_engine_and_the_bare_step_train_alike():
    looped = engine.Engine(SMALL, 2, config.Mapping(mapper="loop"), devices=jax.devices()[:1])
    bare = engine.Bare(SMALL)
    for _ in range(2):
        looped.epoch()
    bare.epochs(2)
    alone = engine.Engine(dataclasses.replace(SMALL), 1, config.Mapping(mapper="vmap"), devices=jax.devices()[:1])
    for _ in range(2):
        alone.epoch()
    loop, first = (run.ensemble.fetch(run._states).params for run in (looped, alone))
    for found, expected in zip(jax.tree.leaves(loop), jax.tree.leaves(first), strict=True):
        np.testing.assert_allclose(found[0], expected[0], atol=1e-5)
    shapes = jax.tree.map(lambda x: x.shape, bare._state.params)
    assert shapes == jax.tree.map(lambda x: x.shape[1:], loop)


@pytest.mark.slow
def test_command_line(tmp_path):
    """`python -m jaxdep.benchmark`, but that the ceiling is taken from a small matrix product, not from seconds of it."""
    script = """
        import runpy
        from jaxdep.benchmark import engine
        ceiling = engine.matmul_ceiling
        engine.matmul_ceiling = lambda size, dtype: ceiling(size // 8, dtype)
        runpy.run_module("jaxdep.benchmark", run_name="__main__", alter_sys=True)
    """
    arguments = ["--systems=bilstm", "--seeds=1", "--rounds=1", "--mapper=map", f"--workdir={tmp_path}"]
    command = [sys.executable, "-c", textwrap.dedent(script), *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "bilstm" in ended.stdout
    row = pd.read_csv(tmp_path / "benchmark.csv").iloc[0]
    assert row["step_s"] > 0
    assert 5 < row["step_gflop"] < 20
    assert (tmp_path / "benchmark.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        pytest.param("--seeds=1,a", "--seeds", marks=pytest.mark.slow),
        ("--systems=x", "there is no 'x'; there are bilstm"),
    ],
)
@pytest.mark.slow
def test_a_wrong_command_line_is_one_line_and_exit_code_2(argument, words):
    command = [sys.executable, "-m", "jaxdep.benchmark", argument]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
