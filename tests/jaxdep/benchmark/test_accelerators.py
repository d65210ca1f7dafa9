"""What is known of accelerators, what follows from a compiled program, and every system compiled for a TPU that is not here.

The last needs libtpu (extra `tpu`), and takes minutes: `JAX_PLATFORMS=cpu python -m pytest -m compile`. With the extra `cuda`
(4 GB) the bi-LSTM is compiled for a GPU too, in the ways that XLA and NVIDIA's library offer for recurrent layers.
"""

import dataclasses
import importlib.util
import os
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from input_pipeline.config import ConfigError
from jaxdep import config
from jaxdep.benchmark.accelerators import accelerators, hlo, plan, report
from jaxdep.benchmark.systems import SYSTEMS
from jaxdep.models.layers import pallas

NOTHING = hlo.Instruction("nothing", (), "fusion", (), "")


def kernel(flops=0.0, nbytes=0.0, cycles=0, times=1.0):
    return hlo.Kernel(NOTHING, flops, nbytes, cycles, times)


@pytest.mark.parametrize("name", accelerators())
def test_an_accelerator_is_described_whole(name):
    known = accelerators()[name]
    assert set(known.tflops) == {"float32", "tf32", "bfloat16"}
    assert known.tflops["float32"] < known.tflops["tf32"] < known.tflops["bfloat16"]
    assert known.source
    assert known.platform == "tpu" or (known.launch_us > 0 and known.target["core_count"] > 0)


@pytest.mark.parametrize(("name", "extra"), [("v5e", "jaxdep[tpu]"), ("h200", "jaxdep[cuda]")])
def test_without_its_compiler_one_line_says_what_to_install(name, extra, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=f"^--compile_for={name}: .* not installed; install {re.escape(extra)}$"):
        accelerators()[name].devices()


def test_bounds_follow_from_the_peaks():
    h200, v5e = accelerators()["h200"], accelerators()["v5e"]
    kernels = [kernel(flops=66.9e12, nbytes=4.8e11, times=3), kernel(nbytes=4.8e12)]
    found = plan.bounds(kernels, h200, "float32")
    assert found.compute == pytest.approx(3)
    assert found.memory == pytest.approx(1.3)
    assert found.roofline == pytest.approx(4)  # each kernel's own: three by its arithmetic, one by the memory
    assert found.launch == pytest.approx(4 * 3e-6)
    assert (found.compiler, found.binds) == (0, "arithmetic")
    assert plan.bounds([kernel(times=1000)], h200, "float32").binds == "launches"
    by_compiler = plan.bounds([kernel(cycles=3_000_000_000)], v5e, "float32")
    assert (by_compiler.predicted, by_compiler.binds) == (2, "compiler's estimate")


def a_plan(**changes):
    found = plan.Plan("v5e", "bilstm", "training", 20, "vmap", "float32", 1.0, 2.0, fits=True)
    return dataclasses.replace(found, **changes)


def test_the_seeds_that_fit_lie_on_a_line():
    plans = [a_plan(memory_gb=1.0, seeds=10), a_plan(memory_gb=3.0, seeds=30), a_plan(memory_gb=5.0, seeds=50)]
    assert plan.seeds_that_fit(plans, accelerators()["v5e"]) == 160
    assert plan.seeds_that_fit(plans[:1], accelerators()["v5e"]) is None


def test_files_say_what_did_not_fit(tmp_path):
    fits = a_plan(bounds=plan.Bounds(1.0, 2.0, 0.0, 2.5, 0.0), kernels_a_step=(8, 10), found={"collectives": 2})
    report.write([fits, a_plan(seeds=1000, memory_gb=83.0, fits=False)], {"jax": "0"}, tmp_path)
    table = pd.read_csv(tmp_path / "plans.csv")
    assert table.fits.tolist() == [True, False]
    assert table.predicted_s.tolist()[0] == 2.5
    assert table.kernels_a_time_step[0] == "8+10"
    assert table.found[0] == "2 collectives"
    assert (tmp_path / "plans.png").stat().st_size > 0


def test_what_fits_nowhere_has_a_panel_too(tmp_path):
    fits = a_plan(system="bilstm", bounds=plan.Bounds(1.0, 2.0, 0.0, 2.5, 0.0))
    none = a_plan(system="emotion", memory_gb=83.0, fits=False)
    for plans in ([none], [fits, none]):
        report.write(plans, {"jax": "0"}, tmp_path)
    panels = report.cost_figure([fits, none]).axes
    assert [[text.get_text() for text in panel.texts] for panel in panels] == [[], ["does not fit"]]


def test_ticks_are_plain_numbers(tmp_path):
    """The style of figures draws no mathematical text: "$10^{-2}$" would stand there as it is written here."""
    few = [
        a_plan(seeds=seeds, bounds=plan.Bounds(0.0, 0.0, 0.0, ms / 1000, 0.0)) for seeds, ms in ((20, 72), (100, 900))
    ]
    figure = report.cost_figure(few)
    figure.savefig(tmp_path / "plans.png")
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels
    assert all(float(label) > 0 for label in labels)


AT_A_TIME = {"emoaudionet": 2, "face_speech": 1}  # seeds of it that fit a v5e chip; of the others all twenty do


@pytest.mark.compile
@pytest.mark.parametrize("name", SYSTEMS)
def test_every_system_compiles_for_a_tpu(name):
    """Twenty seeds fit a v5e chip; nothing crosses devices or waits for the host, no double precision.

    In three passes of bfloat16, since six compile twice as long, with nothing else in them.
    """
    v5e, group = accelerators()["v5e"], AT_A_TIME.get(name, 0)
    mapping = config.Mapping(mapper="map", group=group) if group else config.Mapping(mapper="vmap")
    with jax.default_matmul_precision("tensorfloat32"):
        plans = plan.make_plans(name, SYSTEMS[name], v5e, v5e.devices()[:1], 20, mapping, "tf32")
    for found in plans:
        print(found)
        assert found.fits, found
        assert found.memory_gb < v5e.memory_gb
        assert not found.found, found
        assert found.flops > 0


KERNELS = {  # by name, how one is called with frames, directions, batch, hidden; shapes of single seeds
    "lstm forward": (pallas.lstm_forward, "x4 w4 m (hc)"),
    "lstm backward": (pallas.lstm_backward, "h m c c x4 w4 (cc)"),
    "gru forward": (pallas.gru_forward, "x3 w3 b m c"),
    "gru backward": (pallas.gru_backward, "h m h x4 w3 c"),
}


@pytest.mark.compile
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize(("batch", "hidden"), [(32, 128), (5, 64), (8, 256)])
@pytest.mark.parametrize("name", KERNELS)
def test_the_recurrent_kernels_compile_for_a_tpu(name, batch, hidden, dtype):
    """Of twenty seeds at once; never run."""
    seeds, frames, directions = 20, 37, 2
    mesh = Mesh(np.array(accelerators()["v5e"].devices()[:1]), ("seed",))
    sharding = NamedSharding(mesh, PartitionSpec("seed"))

    def shape(*dims, kind=dtype):
        return jax.ShapeDtypeStruct((seeds, *dims), kind, sharding=sharding)

    timed, exact = (frames, directions, batch), jnp.float32
    known = {
        **{f"x{gates}": shape(*timed, gates * hidden) for gates in (3, 4)},
        **{f"w{gates}": shape(directions, hidden, gates * hidden, kind=exact) for gates in (3, 4)},
        "m": shape(*timed, 1, kind=exact),
        "b": shape(directions, hidden, kind=exact),
    }
    of_time = {"h": shape(*timed, hidden), "c": shape(*timed, hidden, kind=exact)}
    of_state = {"h": shape(directions, batch, hidden), "c": shape(directions, batch, hidden, kind=exact)}
    kernel, signature = KERNELS[name]
    arguments = []
    for word in signature.split():
        if word.startswith("("):
            arguments.append(tuple(of_state[letter] for letter in word[1:-1]))
        else:
            arguments.append(known.get(word) or of_time[word])
    if name.startswith("gru"):  # whose state is one array
        arguments[-1] = of_state["c"]
    with jax.default_matmul_precision("highest"):
        text = jax.jit(jax.vmap(kernel)).lower(*arguments).compile().as_text()
    assert "tpu_custom_call" in text


def compiled_for_a_gpu(folder, *options):
    """Plans of the bi-LSTM's twenty seeds, and the folder where the compiler wrote what it made of the training."""
    pytest.importorskip("jax_cuda13_plugin", reason="the extra 'cuda' is not installed")
    command = [sys.executable, "-m", "jaxdep.benchmark", "--compile_for=h200", "--systems=bilstm", "--seeds=20"]
    dumped = {"XLA_FLAGS": f"--xla_dump_to={folder / 'xla'}", "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run([*command, *options, f"--workdir={folder}"], check=True, env=os.environ | dumped)
    return pd.read_csv(folder / "plans.csv"), folder / "xla"


@pytest.mark.compile
def test_a_gpu_is_given_an_epoch_as_one_graph(tmp_path):
    """With all loops in it: the host starts one thing."""
    plans, written = compiled_for_a_gpu(tmp_path, "--mapper=vmap", "--recurrence=graph")
    started = min(written.glob("*.thunk_sequence_after_thunk_passes.txt")).read_text().splitlines()
    (whole,) = [line for line in started if re.match(r"\d+: ", line)]
    assert "kCommandBuffer" in whole
    assert sum("kWhile" in line for line in started) == 4  # epochs, steps, frames forth and back
    assert plans.launch_s.tolist() == [0, 0]
    assert plans.found.isna().all()


@pytest.mark.compile
@pytest.mark.parametrize("mapper", ["map", "loop"])
def test_an_lstm_of_cudnn_compiles_for_a_gpu(mapper, tmp_path):
    """One call forward and one back, in place of a loop over time."""
    plans, written = compiled_for_a_gpu(tmp_path, f"--mapper={mapper}", "--recurrence=cudnn")
    program = max((path.read_text() for path in written.glob("*_gpu_after_optimizations.txt")), key=len)
    assert re.findall(r'custom_call_target="(cudnn_rnn\w*)"', program) == ["cudnn_rnn_ffi", "cudnn_rnn_bwd_ffi"]
    assert plans.fits.all()
    assert plans.found.isna().all()
