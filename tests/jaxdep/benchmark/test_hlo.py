"""What is read from compiled programs: sizes, arithmetic, bytes, kernels, and what should not be there."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import Mesh, PartitionSpec

from jaxdep.benchmark.accelerators import hlo

pytestmark = pytest.mark.usefixtures("quick_compilation")


def read(function, *args):
    return hlo.read(jax.jit(function).lower(*args).compile().as_text())


def flops(function, *args):
    return hlo.total(read(function, *args).kernels, "flops")


@pytest.mark.parametrize(
    ("text", "nbytes"),
    [
        ("f32[20,2]", 160),
        ("f32[20,2]{1,0:T(8,128)}", 24 * 128 * 4),
        ("f32[20,2]{0,1:T(8,128)}", 8 * 128 * 4),
        ("bf16[3,20,130]{2,1,0:T(8,128)(2,1)}", 3 * 24 * 256 * 2),
        ("pred[7]{0:T(1024)}", 1024),
        ("s32[]{:T(128)}", 4),
        ("f32[2,4]{1,0:T(2,128)S(1)}", 2 * 128 * 4),
        ("token[]", 0),
    ],
)
def test_sizes_with_their_padding(text, nbytes):
    (found,) = map(hlo._shape, hlo._SHAPE.finditer(text))
    assert found.nbytes == nbytes
    assert found.space == ("S(1)" in text)


def test_products_in_loops_count_as_often_as_they_run():
    x, w = jnp.ones((8, 64)), jnp.ones((64, 64))

    def repeated(x, w):
        def inner(h, _):
            return lax.scan(lambda h, _: (jnp.tanh(h @ w), None), h, None, length=3)[0], None

        return lax.scan(inner, x, None, length=5)[0]

    assert flops(repeated, x, w) == 15 * 2 * 8 * 64 * 64
    (loop,) = read(repeated, x, w).loops
    assert (loop.turns, loop.times) == (3, 5)
    assert loop.kernels >= 1


def test_a_loop_without_a_known_end_counts_once():
    def until(x, n):
        return lax.while_loop(lambda carry: carry[1] < n, lambda carry: (carry[0] @ carry[0], carry[1] + 1), (x, 0))[0]

    program = read(until, jnp.ones((32, 32)), 7)
    assert hlo.total(program.kernels, "flops") == 2 * 32**3
    assert program.loops == ()


@pytest.mark.parametrize(("stride", "padding", "dilation"), [(1, 0, 1), (2, 1, 1), (1, 4, 2), (3, 2, 3)])
def test_products_of_a_convolution_are_those_that_meet_the_signal(stride, padding, dilation):
    frames, width, channels, features = 17, 5, 3, 4
    x, kernel = jnp.ones((2, frames, channels)), jnp.ones((width, channels, features))

    def convolve(x, kernel):
        return lax.conv_general_dilated(
            x,
            kernel,
            (stride,),
            [(padding, padding)],
            rhs_dilation=(dilation,),
            dimension_numbers=("NWC", "WIO", "NWC"),
        )

    # Each output by a product of a signal of ones with a kernel of ones, without channels.
    products = float(convolve(x, kernel)[0, :, 0].sum()) / channels
    text = jax.jit(convolve).lower(x, kernel).as_text(dialect="hlo")
    assert hlo.total(hlo.read(text).kernels, "flops") == 2 * products * 2 * channels * features


# As the compiler for an H200 writes a convolution of stride 2, its two backward passes, and a product of two matrices.
LIBRARY_CALLS = """
ENTRY %main (x: f32[8,64,32], k: f32[16,3,32], y: f32[8,32,16], a: f32[4,64,32]) -> f32[] {
  %x = f32[8,64,32]{2,1,0} parameter(0)
  %k = f32[16,3,32]{2,1,0} parameter(1)
  %y = f32[8,32,16]{2,1,0} parameter(2)
  %a = f32[4,64,32]{2,1,0} parameter(3)
  %forward = (f32[8,32,16]{2,1,0}, u8[99]{0}) custom-call(%x, %k), window={size=3 stride=2 pad=1_1}, dim_labels=b0f_o0i->b0f, custom_call_target="__cudnn$convForward"
  %input = (f32[8,64,32]{2,1,0}, u8[0]{0}) custom-call(%y, %k), window={size=3 stride=2 pad=1_1}, dim_labels=b0f_o0i->b0f, custom_call_target="__cudnn$convBackwardInput"
  %filter = (f32[16,3,32]{2,1,0}, u8[0]{0}) custom-call(%x, %y), window={size=3 stride=2 pad=1_1}, dim_labels=b0f_o0i->b0f, custom_call_target="__cudnn$convBackwardFilter"
  %grouped = (f32[8,32,16]{2,1,0}, u8[0]{0}) custom-call(%x, %k), window={size=3 stride=2 pad=1_1}, dim_labels=b0f_o0i->b0f, feature_group_count=2, custom_call_target="__cudnn$convForward"
  %product = (f32[4,64,16]{2,1,0}, s8[33554432]{0}) custom-call(%a, %a), custom_call_target="__cublas$lt$matmul", backend_config={"gemm_backend_config":{"dot_dimension_numbers":{"lhs_contracting_dimensions":["2"],"lhs_batch_dimensions":["0"]}}}
}
"""  # noqa: E501


def test_library_calls_count_as_what_they_compute_without_their_scratch_memory():
    program = hlo.read(LIBRARY_CALLS)
    kernels = {kernel.instruction.name: kernel for kernel in program.kernels}
    ones = jnp.ones((1, 64, 1)), jnp.ones((3, 1, 1))
    meets = lax.conv_general_dilated(*ones, (2,), [(1, 1)], dimension_numbers=("NWC", "WIO", "NWC")).sum()
    for name in ("forward", "input", "filter"):
        assert kernels[name].flops == 2 * 8 * 32 * 16 * float(meets), name
        assert kernels[name].nbytes == 4 * (8 * 64 * 32 + 16 * 3 * 32 + 8 * 32 * 16), name
    assert kernels["product"].flops == 2 * 4 * 64 * 16 * 32
    assert kernels["product"].nbytes == 4 * (2 * 4 * 64 * 32 + 4 * 64 * 16)
    assert [x.name for x in program.grouped_convolutions()] == ["grouped"]


CUDNN_LSTM = """HloModule lstm

ENTRY %main (x: f32[32,128,448], h: f32[2,32,128], w: f32[591872], n: s32[32]) -> f32[591872] {
  %x = f32[32,128,448]{2,1,0} parameter(0)
  %h = f32[2,32,128]{2,1,0} parameter(1)
  %w = f32[591872]{0} parameter(2)
  %n = s32[32]{0} parameter(3)
  %forth = (f32[32,128,256]{2,1,0}, f32[2,32,128]{2,1,0}, f32[2,32,128]{2,1,0}, f32[1000]{0}, f32[2000]{0}) custom-call(%x, %h, %h, %w, %n), custom_call_target="cudnn_rnn_ffi", api_version=API_VERSION_TYPED_FFI
  %y = f32[32,128,256]{2,1,0} get-tuple-element(%forth), index=0
  %kept = f32[2000]{0} get-tuple-element(%forth), index=4
  ROOT %back = (f32[32,128,448]{2,1,0}, f32[2,32,128]{2,1,0}, f32[2,32,128]{2,1,0}, f32[591872]{0}, f32[1000]{0}) custom-call(%y, %h, %h, %x, %h, %h, %w, %y, %kept, %w, %n), custom_call_target="cudnn_rnn_bwd_ffi", api_version=API_VERSION_TYPED_FFI
}
"""  # noqa: E501


def test_an_lstm_of_cudnn_counts_as_its_products():
    forth, back = hlo.read(CUDNN_LSTM).kernels
    assert forth.flops == 2 * 32 * 128 * 2 * (448 + 128) * 4 * 128
    assert back.flops == 2 * forth.flops


def test_a_row_written_in_place_counts_as_a_row():
    rows = jnp.ones((1000, 256))

    def write(rows, step):
        return lax.fori_loop(0, step, lambda i, rows: lax.dynamic_update_index_in_dim(rows, rows[i] * 2, i, 0), rows)

    inside = [kernel for kernel in read(write, rows, 3).kernels if "while/body" in kernel.instruction.source]
    assert 0 < sum(kernel.nbytes for kernel in inside) < 20 * 256 * 4


NESTED = """HloModule m

%row (all: f32[500,64], i: s32[]) -> f32[1,64] {
  %all = f32[500,64]{1,0} parameter(0)
  %i = s32[] parameter(1)
  %zero = s32[] constant(0)
  ROOT %found = f32[1,64]{1,0} dynamic-slice(%all, %i, %zero), dynamic_slice_sizes={1,64}
}

%doubled (rows: f32[500,64], at: s32[]) -> f32[1,64] {
  %rows = f32[500,64]{1,0} parameter(0)
  %at = s32[] parameter(1)
  %one = f32[1,64]{1,0} fusion(%rows, %at), kind=kLoop, calls=%row
  ROOT %sum = f32[1,64]{1,0} add(%one, %one)
}

ENTRY %main (x: f32[500,64], n: s32[]) -> f32[1,64] {
  %x = f32[500,64]{1,0} parameter(0)
  %n = s32[] parameter(1)
  ROOT %out = f32[1,64]{1,0} fusion(%x, %n), kind=kLoop, calls=%doubled
}
"""


def test_a_row_read_by_a_fusion_within_a_fusion_counts_as_a_row():
    (kernel,) = hlo.read(NESTED).kernels
    assert kernel.nbytes == 2 * 64 * 4 + 4  # a row in, a row out, and which


def test_what_should_not_be_there_is_found():
    image, kernel = jnp.ones((1, 16, 4)), jnp.ones((3, 2, 4))

    def grouped(x, kernel):
        return lax.conv_general_dilated(
            x, kernel, (1,), "VALID", feature_group_count=2, dimension_numbers=("NWC", "WIO", "NWC")
        )

    def asks(x):
        return jax.pure_callback(np.sin, x, x)

    mesh = Mesh(np.array(jax.devices()[:2]), ("seed",))
    summed = jax.shard_map(
        lambda x: lax.psum(x, "seed"), mesh=mesh, in_specs=PartitionSpec("seed"), out_specs=PartitionSpec()
    )
    assert len(hlo.read(jax.jit(grouped).lower(image, kernel).as_text(dialect="hlo")).grouped_convolutions()) == 1
    assert read(asks, jnp.ones(3)).host_transfers()
    assert read(summed, jnp.ones(8)).collectives()
    with jax.enable_x64():
        assert read(lambda x: x * 2, jnp.ones(3, jnp.float64)).float64()
    clean = read(lambda x, w: jnp.tanh(x @ w), jnp.ones((8, 8)), jnp.ones((8, 8)))
    kinds = (clean.grouped_convolutions, clean.host_transfers, clean.collectives, clean.float64)
    assert not list(itertools.chain.from_iterable(kind() for kind in kinds))
