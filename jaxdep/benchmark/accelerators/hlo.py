"""What a compiled program does, read from XLA's text of it: arithmetic, bytes, kernels, and what should not be there.

XLA's own cost analysis counts the body of a loop once, and is not there for every device. Here each kernel counts as often
as the loops around it turn, as far as their number of turns is written in the program; others count once.
"""

import dataclasses
import functools
import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence

_SHAPE = re.compile(r"([a-z]+\d*\w*)\[([\d,]*)\](?:\{([^}]*)\})?")
_TILE, _SPACE = re.compile(r"T\(([\d,]+)\)"), re.compile(r"S\((\d+)\)")
_HEADER = re.compile(r"^(?:ENTRY )?%?([\w.\-]+)(?: \(.*\))? .*\{$")
_INSTRUCTION = re.compile(r"^\s+(ROOT )?%?([\w.\-]+) = (.*)$")
_OPCODE = re.compile(r"\s*([\w\-]+)\(")
_NAME = re.compile(r"%([\w.\-]+)")
_CYCLES = re.compile(r'"estimated_cycles":"(\d+)"')
_TOLD = re.compile(r'"flops":"?(\d+)')
_TURNS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')
_LIMIT = re.compile(r"constant\((\d+)\)")
_BITS = re.compile(r"\d+")
_LIBRARY = re.compile(r'custom_call_target="(?:__)?(cu\w+\$[\w$]+|cudnn_rnn\w*)"')

# These cost nothing: names, views, and the ends of what was begun elsewhere.
_FREE = {
    *("parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all", "add-dependency", "opt-barrier"),
    *("partition-id", "replica-id", "copy-done", "slice-done", "async-done", "async-update", "custom-call-done"),
}
_COLLECTIVES = re.compile(
    r"(all-reduce|all-gather|all-to-all|collective-\w+|reduce-scatter|ragged-all-to-all)(-start)?$"
)
_HOST = {"infeed", "outfeed", "send", "recv"}
_ON_CHIP = 1  # the memory space that a TPU's programs call VMEM


@dataclasses.dataclass(frozen=True)
class Shape:
    """One array: its dimensions, the order of them in memory, the tile that it is padded to, and where it lies."""

    dtype: str
    dims: tuple[int, ...]
    minor_to_major: tuple[int, ...] = ()
    tile: tuple[int, ...] = ()
    space: int = 0

    @property
    def elements(self) -> int:
        return math.prod(self.dims)

    @property
    def itemsize(self) -> float:
        if self.dtype == "pred":
            return 1
        bits = _BITS.search(self.dtype)
        return int(bits[0]) / 8 if bits else 0  # a token takes none

    @property
    def nbytes(self) -> float:
        """With what its tiles add."""
        if not self.tile or not self.dims:
            return self.elements * self.itemsize
        order = self.minor_to_major or tuple(reversed(range(len(self.dims))))
        sizes = [self.dims[axis] for axis in order]  # the minor one first
        for place, size in enumerate(reversed(self.tile)):
            if place < len(sizes):
                sizes[place] = -(-sizes[place] // size) * size
        return math.prod(sizes) * self.itemsize


@dataclasses.dataclass(frozen=True)
class Instruction:
    """One line of a computation."""

    name: str
    shapes: tuple[Shape, ...]
    opcode: str
    operands: tuple[str, ...]
    attributes: str

    def called(self, attribute: str) -> str:
        """The name of a computation that it calls; "" where it has no such attribute."""
        found = re.search(rf"\b{attribute}=%?([\w.\-]+)", self.attributes)
        return found[1] if found else ""

    @property
    def library(self) -> str:
        """What of NVIDIA's libraries it calls; "" for anything else."""
        found = _LIBRARY.search(self.attributes) if self.opcode == "custom-call" else None
        return found[1] if found else ""

    @property
    def source(self) -> str:
        """What of the traced program it is of."""
        found = re.search(r'op_name="([^"]*)"', self.attributes)
        return found[1] if found else ""


@dataclasses.dataclass(frozen=True)
class Kernel:
    """What a device starts as one piece of work.

    Attributes:
        flops: of its matrix products and convolutions.
        nbytes: that it moves between the device's memory and the chip.
        cycles: by the compiler's own estimate; 0 where it gives none.
        times: in one run of the program.
    """

    instruction: Instruction
    flops: float
    nbytes: float
    cycles: int
    times: float


@dataclasses.dataclass(frozen=True)
class Loop:
    """A loop whose number of turns is known and that holds no other one: a scan over time.

    Attributes:
        kernels: that a turn starts.
        times: that the loop is run in one run of the program.
    """

    source: str
    turns: int
    kernels: int
    times: float


@dataclasses.dataclass(frozen=True)
class Program:
    """A compiled program."""

    computations: Mapping[str, Mapping[str, Instruction]]
    entry: str

    @functools.cached_property
    def kernels(self) -> tuple[Kernel, ...]:
        return tuple(self._kernels(self.entry, 1.0))

    @functools.cached_property
    def loops(self) -> tuple[Loop, ...]:
        """The innermost ones with a known number of turns."""
        return tuple(self._loops(self.entry, 1.0))

    @functools.cached_property
    def instructions(self) -> tuple[Instruction, ...]:
        return tuple(itertools.chain.from_iterable(c.values() for c in self.computations.values()))

    def grouped_convolutions(self) -> list[Instruction]:
        """Convolutions of several groups, which many libraries compute one small group after another."""
        return [x for x in self.instructions if "conv" in (x.library or x.opcode) and _groups(x) > 1]

    def collectives(self) -> list[Instruction]:
        """What devices say to one another."""
        return [x for x in self.instructions if _COLLECTIVES.match(x.opcode)]

    def host_transfers(self) -> list[Instruction]:
        """What waits for the host."""
        return [
            x for x in self.instructions if x.opcode in _HOST or "callback" in x.attributes.partition("metadata")[0]
        ]

    def float64(self) -> list[Instruction]:
        """What is computed in double precision."""
        return [x for x in self.instructions if any(shape.dtype in ("f64", "c128") for shape in x.shapes)]

    def _kernels(self, name: str, times: float) -> Iterator[Kernel]:
        for instruction in self.computations[name].values():
            if instruction.opcode in _FREE:
                continue
            inner = self._inner(instruction)
            if not inner:
                yield self._kernel(self.computations[name], instruction, times)
            for computation, turns in inner:
                yield from self._kernels(computation, times * (turns or 1))

    def _loops(self, name: str, times: float) -> Iterator[Loop]:
        for instruction in self.computations[name].values():
            for computation, turns in self._inner(instruction):
                within = list(self._loops(computation, times * (turns or 1)))
                if instruction.opcode == "while" and not within and turns is not None and turns > 1:
                    yield Loop(instruction.source, turns, len(list(self._kernels(computation, 1.0))), times)
                yield from within

    def _inner(self, instruction: Instruction) -> list[tuple[str, int | None]]:
        """The computations that are run in the place of an instruction, and how often; None where that is not known."""
        if instruction.opcode == "while":
            return [(instruction.called("body"), self._turns(instruction))]
        if instruction.opcode == "call":
            return [(instruction.called("to_apply"), 1)]
        if instruction.opcode in ("async-start", "custom-call-start"):
            return [(called, 1)] if (called := instruction.called("calls")) else []
        if instruction.opcode == "conditional":
            listed = re.search(r"branch_computations=\{([^}]*)\}", instruction.attributes)
            names = _NAME.findall(listed[1]) if listed else [instruction.called(f"{x}_computation") for x in _BRANCHES]
            # One of them runs: the longest.
            return [(max(names, key=lambda name: len(list(self._kernels(name, 1.0)))), 1)]
        return []

    def _turns(self, loop: Instruction) -> int | None:
        """Written by the compiler, or the one constant of a condition that begins at 0, as that of a scan."""
        written = _TURNS.search(loop.attributes)
        if written:
            return int(written[1])
        condition = self.computations[loop.called("condition")].values()
        if len([x for x in condition if x.opcode in ("compare", "fusion", "and", "or")]) != 1:
            return None
        constants = [int(x.attributes) for x in condition if x.opcode == "constant" and x.attributes.isdigit()]
        return constants[0] if len(constants) == 1 else None

    def _kernel(self, among: Mapping[str, Instruction], instruction: Instruction, times: float) -> Kernel:
        fused = self.computations.get(instruction.called("calls"), {}) if instruction.opcode == "fusion" else {}
        arithmetic = self._all_fused(fused) if fused else [(among, instruction)]
        flops = sum(_flops(inside, place) for place, inside in arithmetic)
        if told := _TOLD.search(instruction.attributes):  # by the author of a kernel that XLA does not see into
            flops += float(told[1])
        cycles = _CYCLES.search(instruction.attributes)
        moved = self._fusion_bytes(instruction, among, fused) if fused else _plain_bytes(instruction, among)
        return Kernel(instruction, flops, moved, int(cycles[1]) if cycles else 0, times)

    def _all_fused(self, fused: Mapping[str, Instruction]) -> Iterator[tuple[Mapping[str, Instruction], Instruction]]:
        for instruction in fused.values():
            if instruction.opcode == "fusion":
                yield from self._all_fused(self.computations[instruction.called("calls")])
            else:
                yield fused, instruction

    def _fusion_bytes(
        self, fusion: Instruction, among: Mapping[str, Instruction], fused: Mapping[str, Instruction]
    ) -> float:
        """An operand of which only a slice is read, or into which one is written in place, counts as that slice."""
        read_ = sum(
            self._read_bytes(among[name].shapes[0], parameter, fused)
            for name, parameter in zip(fusion.operands, _parameters(fused), strict=False)
            if name in among and among[name].shapes
        )
        updates = [x for x in fused.values() if x.opcode == "dynamic-update-slice"]
        written = 0.0
        for shape in fusion.shapes:
            inside = [fused[x.operands[1]] for x in updates if x.shapes[0].dims == shape.dims]
            written += min(map(_size_of_first, inside), default=shape.nbytes) if shape.space != _ON_CHIP else 0.0
        return read_ + written

    def _read_bytes(self, outside: Shape, parameter: Instruction, fused: Mapping[str, Instruction]) -> float:
        if outside.space == _ON_CHIP:
            return 0.0
        read_ = 0.0
        for name, user in _users(parameter.name, fused):
            if user.opcode in ("dynamic-slice", "slice", "gather"):
                read_ += _size_of_first(user)
            elif user.opcode == "fusion":  # within a fusion
                inner = self.computations[user.called("calls")]
                handed = zip(user.operands, _parameters(inner), strict=False)
                read_ += sum(self._read_bytes(outside, own, inner) for operand, own in handed if operand == name)
            elif not (user.opcode == "dynamic-update-slice" and user.operands[0] == name):
                return outside.nbytes
        return min(read_, outside.nbytes)


_BRANCHES = ("true", "false")


def read(text: str) -> Program:
    """Reads what `Compiled.as_text()` gives."""
    computations: dict[str, dict[str, Instruction]] = {}
    current: dict[str, Instruction] = {}
    entry = ""
    for line in text.splitlines():
        if not line.startswith((" ", "}")) and (header := _HEADER.match(line)):
            current = computations[header[1]] = {}
            entry = header[1] if line.startswith("ENTRY") else entry
        elif found := _INSTRUCTION.match(line):
            current[found[2]] = _instruction(found[2], found[3])
    return Program(computations, entry)


def _instruction(name: str, text: str) -> Instruction:
    end = _closing(text, 0) if text.startswith("(") else _type_end(text)
    opcode = _OPCODE.match(text, end)
    assert opcode, text
    stop = _closing(text, opcode.end() - 1)
    inside = text[opcode.end() : stop - 1]
    attributes = inside if opcode[1] in ("constant", "parameter") else text[stop:]
    shapes = tuple(map(_shape, _SHAPE.finditer(text[:end])))
    # Before it is compiled, a program's names bear no sign.
    operands = _NAME.findall(inside) if "%" in inside else inside.split(", ")
    return Instruction(name, shapes, opcode[1], tuple(operands), attributes)


def _type_end(text: str) -> int:
    """Where an array's type ends: at the first space that is in no braces."""
    end = text.index(" ")
    return end if "{" not in text[:end] or "}" in text[:end] else text.index("}") + 1


def _closing(text: str, start: int) -> int:
    """Behind the bracket that closes the one at `start`."""
    depth = 0
    for place in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[place], 0)
        if depth == 0:
            return place + 1
    return len(text)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(",") if number)


def _shape(found: re.Match[str]) -> Shape:
    order, _, layout = (found[3] or "").partition(":")
    tile, space = _TILE.search(layout), _SPACE.search(layout)
    return Shape(
        found[1],
        _numbers(found[2]),
        _numbers(order),
        _numbers(tile[1]) if tile else (),
        int(space[1]) if space else 0,
    )


def _moved(shape: Shape) -> float:
    return 0.0 if shape.space == _ON_CHIP else shape.nbytes


def _size(instruction: Instruction) -> float:
    return sum(map(_moved, instruction.shapes))


def _plain_bytes(instruction: Instruction, among: Mapping[str, Instruction]) -> float:
    if instruction.library and len(instruction.shapes) > 1:  # the last result is scratch memory
        instruction = dataclasses.replace(instruction, shapes=instruction.shapes[:-1])
    if instruction.opcode in ("dynamic-slice", "slice", "gather", "slice-start"):
        return 2 * min(map(_moved, instruction.shapes), default=0.0)
    if instruction.opcode in ("dynamic-update-slice", "scatter"):
        return 2 * _size(among[instruction.operands[1 if instruction.opcode[0] == "d" else -1]])
    if instruction.opcode == "copy-start":  # (to, from, context)
        return sum(map(_moved, instruction.shapes[:2]))
    return _size(instruction) + sum(_size(among[name]) for name in instruction.operands if name in among)


def _parameters(fused: Mapping[str, Instruction]) -> list[Instruction]:
    """In the order of the operands."""
    return sorted((x for x in fused.values() if x.opcode == "parameter"), key=lambda x: int(x.attributes))


def _size_of_first(instruction: Instruction) -> float:
    return instruction.shapes[0].nbytes


def _users(name: str, fused: Mapping[str, Instruction]) -> Iterator[tuple[str, Instruction]]:
    """Who reads it, and by what name: its own, or that of another view of the same bytes."""
    for user in fused.values():
        if name in user.operands:
            if user.opcode in ("bitcast", "reshape"):
                yield from _users(user.name, fused)
            else:
                yield name, user


def _flops(instruction: Instruction, among: Mapping[str, Instruction]) -> float:
    if instruction.opcode == "dot":
        return _product_flops(instruction, among, r"lhs_contracting_dims=\{([\d,]*)\}")
    if instruction.library.startswith("cublas"):
        return _product_flops(instruction, among, r'"lhs_contracting_dimensions":\[([\d,"]*)\]')
    if instruction.library.startswith("cudnn_rnn"):
        return _rnn_flops(instruction, among)
    if instruction.opcode == "convolution" or instruction.library.startswith("cudnn$conv"):
        one, other = (among[name].shapes[0] for name in instruction.operands[:2])
        result = instruction.shapes[0]
        # A library's two backward passes are given with the labels of the forward one, and one of its arrays as result.
        if "BackwardInput" in instruction.library:
            return _convolution_flops(instruction, image=result, kernel=other, out=one)
        if "BackwardFilter" in instruction.library:
            return _convolution_flops(instruction, image=one, kernel=result, out=other)
        return _convolution_flops(instruction, image=one, kernel=other, out=result)
    return 0.0


def _product_flops(product: Instruction, among: Mapping[str, Instruction], contracted: str) -> float:
    left = among[product.operands[0]].shapes[0]
    axes = re.search(contracted, product.attributes)
    width = math.prod(left.dims[axis] for axis in _numbers(axes[1].replace('"', "") if axes else ""))
    return 2.0 * product.shapes[0].elements * width


def _rnn_flops(call: Instruction, among: Mapping[str, Instruction]) -> float:
    """Of one of cuDNN's LSTMs, each weight but the biases of each frame: once forward, twice back."""
    back = "bwd" in call.library  # (gradients of y, h, c; x, h, c, weights, ...) in place of (x, h, c, weights, ...)
    x, h, _, weights = (among[name].shapes[0] for name in call.operands[3 if back else 0 :][:4])
    directions, _, hidden = h.dims
    batch, frames, _ = x.dims
    return 2.0 * batch * frames * (weights.elements - 8 * directions * hidden) * (2 if back else 1)


def _groups(convolution: Instruction) -> int:
    found = re.findall(r"(?:feature|batch)_group_count=(\d+)", convolution.attributes)
    return max(map(int, found), default=1)


def _convolution_flops(convolution: Instruction, image: Shape, kernel: Shape, out: Shape) -> float:
    """Without the products with padding, of which the batched products of a TPU consist for the most part."""
    labels = re.search(r"dim_labels=(\w+)_(\w+)->(\w+)", convolution.attributes)
    assert labels, convolution
    window = dict(
        re.findall(r"(\w+)=([\dx_\-]+)", (re.search(r"window=\{([^}]*)\}", convolution.attributes) or [""] * 2)[1])
    )
    products = 1
    for axis in (label for label in labels[1] if label.isdigit()):
        number = int(axis)
        products *= _valid(
            image.dims[labels[1].index(axis)],
            kernel.dims[labels[2].index(axis)],
            out.dims[labels[3].index(axis)],
            stride=_of_axis(window, "stride", number, 1),
            low=_of_axis(window, "pad", number, 0),
            spread=_of_axis(window, "lhs_dilate", number, 1),
            step=_of_axis(window, "rhs_dilate", number, 1),
        )
    batch, features = (out.dims[labels[3].index(label)] for label in "bf")
    batches = re.search(r"batch_group_count=(\d+)", convolution.attributes)
    return 2.0 * batch * features * kernel.dims[labels[2].index("i")] * products / (int(batches[1]) if batches else 1)


def _of_axis(window: Mapping[str, str], name: str, axis: int, default: int) -> int:
    """The number of a window's axis: 3x5, or 1_2x0_0, of which the first."""
    return int(window[name].split("x")[axis].split("_")[0]) if name in window else default


def _valid(image: int, kernel: int, out: int, *, stride: int, low: int, spread: int, step: int) -> int:
    """How many pairs of an output and a kernel position meet an element of the image, on one axis."""
    width = (image - 1) * spread + 1
    places = (o * stride + k * step - low for o in range(out) for k in range(kernel))
    return sum(1 for place in places if 0 <= place < width and place % spread == 0)


def total(kernels: Sequence[Kernel], attribute: str) -> float:
    """The sum over a run of the program."""
    return sum(getattr(kernel, attribute) * kernel.times for kernel in kernels)
