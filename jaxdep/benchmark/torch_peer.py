"""The same step in PyTorch, of all seeds: one after another, or the quickest way there is to run them side by side."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import jax
import joblib
import torch

from input_pipeline.config import ConfigError
from jaxdep.benchmark import torch_models
from jaxdep.benchmark.systems import OPTIMIZER, System

Precision = Literal["float32", "tf32", "bfloat16"]
_STREAMS = 8


class Seeds:
    """All seeds of a system: each with a network, an optimiser, and an order of the examples of its own.

    Args:
        count: how many.
        precision: of the matrix products.
    """

    def __init__(self, system: System, count: int, precision: Precision):
        self.device = torch.device("cuda" if jax.default_backend() == "gpu" else "cpu")
        torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
        torch.backends.cudnn.allow_tf32 = precision == "tf32"
        self.precision, self.batch_size = precision, system.batch_size
        examples = system.examples()
        features = examples.buckets[0].features
        self.features = [torch.from_numpy(features[name].values).to(self.device) for name in system.inputs]
        self.targets = [
            torch.from_numpy(examples.labels[task].astype("int64")).to(self.device) for task in system.classes
        ]
        network = getattr(torch_models, system.peer)
        torch.manual_seed(0)
        sizes = (*system.inputs.values(), *system.classes.values())
        self.networks = [network(system.model, *sizes).to(self.device) for _ in range(count)]
        self.optimizers = [
            torch.optim.Adam(
                net.parameters(), lr=OPTIMIZER.learning_rate, fused=True, capturable=self.device.type == "cuda"
            )
            for net in self.networks
        ]

    def __len__(self) -> int:
        return len(self.networks)

    def step(self, seed: int, rows: torch.Tensor) -> None:
        """One step of one seed on the examples at `rows`."""
        network, features = self.networks[seed], [x[rows] for x in self.features]
        if self.precision == "bfloat16":  # not by autocast, which lets cuDNN's recurrent layers compute in float16
            halves = {name: parameter.bfloat16() for name, parameter in _rounded(network)}
            *logits, penalty = torch.func.functional_call(network, halves, tuple(x.bfloat16() for x in features))
        else:
            *logits, penalty = network(*features)
        loss = penalty
        for of_task, target in zip(logits, self.targets, strict=True):
            loss = loss + torch.nn.functional.cross_entropy(of_task.float(), target[rows])
        self.optimizers[seed].zero_grad()
        loss.backward()
        self.optimizers[seed].step()

    def orders(self) -> torch.Tensor:
        """A permutation of the examples for every seed, [S, steps, B]."""
        keys = torch.rand(len(self.networks), len(self.targets[0]), device=self.device)
        return keys.argsort(1).view(len(self.networks), -1, self.batch_size)

    def train(self, seed: int, order: torch.Tensor) -> None:
        """An epoch of one seed."""
        for rows in order:
            self.step(seed, rows)


class Peer(ABC):
    """A way to train all seeds. Several may train the same in turn: of large networks memory does not hold a set for each."""

    def __init__(self, seeds: Seeds):
        self.seeds = seeds

    @abstractmethod
    def epoch(self) -> None:
        """An epoch of every seed; returns when they are done."""


class Loop(Peer):
    """One seed after another, each step with all cores or the whole device."""

    def epoch(self) -> None:
        torch.set_num_threads(joblib.cpu_count())
        for seed, order in enumerate(self.seeds.orders()):
            self.seeds.train(seed, order)
        if self.seeds.device.type == "cuda":
            torch.cuda.synchronize()


class Threads(Peer):
    """A worker thread a core, each with its share of the seeds. On a CPU."""

    def __init__(self, seeds: Seeds):
        super().__init__(seeds)
        self.pool = ThreadPoolExecutor(joblib.cpu_count(), initializer=torch.set_num_threads, initargs=(1,))

    def epoch(self) -> None:
        list(self.pool.map(self.seeds.train, range(len(self.seeds)), self.seeds.orders()))


class Graph(Peer):
    """All seeds' steps as one CUDA graph, captured over several streams, so that they overlap."""

    def __init__(self, seeds: Seeds):
        super().__init__(seeds)
        self.rows = seeds.orders()[:, 0].clone()
        warm, main = torch.cuda.Stream(), torch.cuda.current_stream()
        warm.wait_stream(main)
        with torch.cuda.stream(warm):  # capture wants every buffer and cuDNN's choice made before
            for _ in range(3):
                for seed in range(len(seeds)):
                    seeds.step(seed, self.rows[seed])
        main.wait_stream(warm)
        self.graph = torch.cuda.CUDAGraph()
        streams = [torch.cuda.Stream() for _ in range(_STREAMS)]
        # Threads of JAX may be at work; only what this thread does is captured and can spoil it.
        with torch.cuda.graph(self.graph, capture_error_mode="thread_local"):
            captured = torch.cuda.current_stream()
            for stream in streams:
                stream.wait_stream(captured)
            for seed in range(len(seeds)):
                with torch.cuda.stream(streams[seed % _STREAMS]):
                    seeds.step(seed, self.rows[seed])
            for stream in streams:
                captured.wait_stream(stream)

    def epoch(self) -> None:
        for rows in self.seeds.orders().unbind(1):
            self.rows.copy_(rows)
            self.graph.replay()
        torch.cuda.synchronize()


def _rounded(network: torch.nn.Module) -> Iterator[tuple[str, torch.nn.Parameter]]:
    """The parameters that are bfloat16 where the features are: all but a batch norm's, as its statistics are float32."""
    for prefix, module in network.named_modules():
        if not isinstance(module, torch.nn.BatchNorm1d):
            yield from module.named_parameters(prefix, recurse=False)


def peers() -> dict[str, type[Peer]]:
    """The ways to run all seeds on the kind of device that JAX uses.

    Raises:
        ConfigError: PyTorch cannot use that device.
    """
    if jax.default_backend() == "cpu":
        return {"loop": Loop, "threads": Threads}
    if jax.default_backend() == "gpu" and torch.cuda.is_available():
        return {"loop": Loop, "graph": Graph}
    raise ConfigError(f"--peer=torch: JAX runs on {jax.default_backend()}, which this PyTorch ({version()}) cannot use")


def version() -> str:
    """PyTorch's, for the table."""
    return str(torch.__version__)
