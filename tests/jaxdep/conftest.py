"""Small sets of examples whose labels can be learned, made in memory, and the seed engine run on them.

Test modules take the functions of this file as fixtures of the same name.
"""

import dataclasses
import functools
from collections.abc import Collection, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from input_pipeline.batching import Bucket, Examples, Padded
from jaxdep import config
from jaxdep.engine import training
from jaxdep.engine.ensemble import Ensemble
from jaxdep.engine.lanes import seed_keys
from jaxdep.engine.program import Program, SeedState
from jaxdep.engine.resident import Resident, SeedData, View, Viewer
from jaxdep.models import ModelConfig, Outputs, key_of
from jaxdep.models.layers.dense import dropout, linear
from jaxdep.models.layers.normalization import BatchNorm
from jaxdep.models.layers.pooling import masked_mean

TASKS = {"depressed": config.Task()}
SCHEDULE = config.Training(epochs=3, batch_size=8, epochs_per_call=3)


def make_examples(
    n: int = 40, longest: int = 7, dim: int = 5, *, windows: int = 1, buckets: int = 1, levels: int = 1, seed: int = 0
) -> Examples:
    """`n` recordings of `windows` examples each, of random lengths; class 1 has a higher mean in dimension 0.

    Args:
        levels: 1 for [N, T, D], 2 for [N, U, T, D].
    """
    rng = np.random.default_rng(seed)
    total = n * windows
    groups = np.repeat(np.arange(n, dtype=np.int32), windows)
    label = (np.arange(n) % 3 == 0).astype(np.int32)
    shape = (total, *((3,) * (levels - 1)), longest)
    lengths = rng.integers(2, longest + 1, shape[:-1])
    mask = np.arange(longest) < lengths[..., None]
    values = rng.normal(size=(*shape, dim)).astype(np.float32)
    values[..., 0] += 1.5 * label[groups].reshape(-1, *(1,) * (values.ndim - 2))
    values = np.where(mask[..., None], values, 0).astype(np.float32)
    order = np.argsort(mask.reshape(total, -1).sum(1), kind="stable")
    chosen = [np.sort(rows) for rows in np.array_split(order, buckets)]
    used = [max(1, int(mask[rows].reshape(-1, longest).sum(1).max())) for rows in chosen]
    splits = np.array(["train", "dev", "test"])[np.minimum(np.arange(n) // (n // 2), 1) + (np.arange(n) >= 3 * n // 4)]
    return Examples(
        buckets=tuple(
            Bucket({"audio": Padded(values[rows][..., :t, :], mask[rows][..., :t])}, rows.astype(np.int32))
            for rows, t in zip(chosen, used, strict=True)
        ),
        ids=np.array([f"r{g}:{i}" for i, g in enumerate(groups)]),
        participants=np.array([f"p{g}" for g in groups]),
        splits=splits[groups],
        groups=groups,
        group_ids=np.array([f"r{g}" for g in range(n)]),
        labels={"depressed": label[groups], "score": (label[groups] * 2 + rng.normal(size=total)).astype(np.float32)},
        classes={"depressed": ("healthy", "depressed")},
        metadata={"gender": np.array(["female", "male"])[groups % 2]},
        synthetic=True,
        fingerprints={"audio": "0"},
        padding_waste=0.0,
    )


def pad_more(examples: Examples, extra: int) -> Examples:
    """The same examples with `extra` more padded frames."""

    def padded(array: np.ndarray, axis: int) -> np.ndarray:
        return np.pad(array, [(0, extra if a == axis else 0) for a in range(array.ndim)])

    return dataclasses.replace(
        examples,
        buckets=tuple(
            Bucket(
                {n: Padded(padded(v, v.ndim - 2), padded(m, m.ndim - 1)) for n, (v, m) in bucket.features.items()},
                bucket.rows,
            )
            for bucket in examples.buckets
        ),
    )


@dataclasses.dataclass
class MeanModel(ModelConfig):
    """The smallest model: a linear layer on the mean frame. It compiles in two seconds.

    Attributes:
        spoilt: the share of seeds whose first parameters are infinite.
    """

    dropout: float = 0.0
    spoilt: float = 0.0

    def build(self, inputs, outputs, *, rngs):
        return MeanModule(self, inputs, outputs, rngs=rngs)


class MeanModule(nnx.Module):
    def __init__(self, model, inputs, outputs, *, rngs):
        self.dropout = model.dropout
        is_spoilt = jax.random.uniform(rngs.params()) < model.spoilt
        self.heads = nnx.Dict({task: linear(inputs["audio"], n, rngs=rngs) for task, n in outputs.items()})
        for head in self.heads.values():
            head.kernel[...] = jnp.where(is_spoilt, jnp.inf, head.kernel[...])

    def __call__(self, features, *, step=None):
        pooled = dropout(masked_mean(*features["audio"]), self.dropout, key_of(step))
        return Outputs({task: head(pooled) for task, head in self.heads.items()}, jnp.zeros(len(pooled)), {})


@dataclasses.dataclass
class NormModel(ModelConfig):
    """`MeanModel` with a batch norm over the frames and one over the examples; nothing else has batch statistics."""

    dropout: float = 0.0

    def takes(self):
        return {"audio": "sequence"}

    def build(self, inputs, outputs, *, rngs):
        return NormModule(self, inputs, outputs, rngs=rngs)


class NormModule(nnx.Module):
    def __init__(self, model, inputs, outputs, *, rngs):
        self.dropout = model.dropout
        self.frames, self.hidden = BatchNorm(inputs["audio"]), linear(inputs["audio"], 4, rngs=rngs)
        self.pooled = BatchNorm(4)
        self.heads = nnx.Dict({task: linear(4, n, rngs=rngs) for task, n in outputs.items()})

    def __call__(self, features, *, step=None):
        values, mask = features["audio"]
        pooled = jnp.tanh(self.hidden(masked_mean(self.frames(values, step, mask), mask)))
        pooled = dropout(self.pooled(pooled, step), self.dropout, key_of(step))
        return Outputs({task: head(pooled) for task, head in self.heads.items()}, jnp.zeros(len(pooled)), {})


@dataclasses.dataclass
class ImageModel(ModelConfig):
    """A layer on the pixels of "face", an image or images, their mean, and a vector for "gender", one-hot or an index."""

    layout: str = "image"

    def takes(self):
        return {"face": self.layout, "gender": "vector"}

    def build(self, inputs, outputs, *, rngs):
        return ImageModule(inputs, outputs, rngs=rngs)


class ImageModule(nnx.Module):
    def __init__(self, inputs, outputs, *, rngs):
        self.pixels = linear(inputs["face"], 4, rngs=rngs)
        self.gender = linear(2, 4, rngs=rngs)
        self.heads = nnx.Dict({task: linear(4, n, rngs=rngs) for task, n in outputs.items()})

    def __call__(self, features, *, step=None):
        (pixels, mask), (gender, gender_mask) = features["face"], features["gender"]
        faces = jnp.where(mask[..., None], jnp.tanh(self.pixels(pixels)).mean((-3, -2)), 0)
        if mask.ndim > 1:
            faces = masked_mean(faces, mask)
        if gender.dtype == jnp.int32:
            gender = jax.nn.one_hot(gender[:, 0], 2) * gender_mask[:, None]
        hidden = faces + self.gender(gender)
        return Outputs({task: head(hidden) for task, head in self.heads.items()}, jnp.zeros(len(hidden)), {})


@dataclasses.dataclass
class Run:
    """An ensemble after training; `final` and `history` are numpy, `states` on the devices."""

    ensemble: Ensemble
    states: SeedState
    history: dict[str, np.ndarray]

    @functools.cached_property
    def final(self) -> SeedState:
        return self.ensemble.fetch(self.states)

    @functools.cached_property
    def test_predictions(self) -> np.ndarray:
        return self.ensemble.predict(self.states, "test")["depressed"].units


def make_program(
    examples: Examples,
    model: ModelConfig | None = None,
    *,
    tasks: dict[str, config.Task] = TASKS,
    optimizer: config.Optimizer | None = None,
    schedule: config.Training = SCHEDULE,
    recorded: tuple[str, ...] = (),
    varied: tuple[str, ...] = (),
    data_shards: int = 1,
) -> Program:
    return training.build(
        model or MeanModel(),
        {name: padded.values.shape[-1] for name, padded in examples.buckets[0].features.items()},
        {task: classes for task, classes in examples.classes.items() if task in tasks},
        tasks,
        optimizer or config.Optimizer(learning_rate=0.05),
        schedule,
        recorded=recorded,
        varied=varied,
        data_axis="data",
        data_shards=data_shards,
    )


def make_ensemble(
    examples: Examples,
    model: ModelConfig | None = None,
    *,
    count: int = 1,
    first: int = 0,
    vary: tuple[str, ...] = config.STREAMS,
    mapper: str = "vmap",
    group: int = 0,
    memory_gb: float = 0.0,
    data_shards: int = 1,
    resident_gb: float = 0.0,
    devices: int = 1,
    splits: config.Splits | None = None,
    tasks: dict[str, config.Task] = TASKS,
    **options: Any,
) -> Ensemble:
    """An ensemble on the first `devices` devices."""
    program = make_program(examples, model, tasks=tasks, data_shards=data_shards, **options)
    numbers = {"group": group, "memory_gb": memory_gb, "data_shards": data_shards, "resident_gb": resident_gb}
    return Ensemble(
        program,
        Viewer(examples, tasks, splits or config.Splits()),
        config.Seeds(count=count, first=first, vary=vary),
        config.Mapping(mapper=mapper, **numbers),
        devices=jax.devices()[:devices],
    )


def fit(examples: Examples, model: ModelConfig | None = None, *, epochs: int = 3, **options: Any) -> Run:
    """Trains in one call."""
    ensemble = make_ensemble(examples, model, **options)
    states, history = ensemble.run(ensemble.init(), 0, epochs)
    return Run(ensemble, states, history)


def one_seed(
    examples: Examples,
    *,
    seed: int = 0,
    splits: config.Splits | None = None,
    tasks: dict[str, config.Task] = TASKS,
    unnormalized: Collection[str] = (),
) -> tuple[SeedData, Resident, View]:
    """What a `Program` is called with, without an ensemble."""
    viewer = Viewer(examples, tasks, splits or config.Splits(), unnormalized)
    keys = jax.tree.map(lambda key: key[0], seed_keys(config.Seeds(count=1, first=seed)))
    view = viewer.view(seed)
    data = SeedData(keys, *jax.tree.map(jnp.asarray, (view.parts, view.normalizers, view.class_weights, {})))
    return data, Resident(jax.tree.map(jnp.asarray, viewer.resident()), jax.random.key(0)), view


def assert_same_seed(found: Run, found_at: int, expected: Run, expected_at: int, atol: float = 1e-5) -> None:
    """Parameters, history and predictions of one seed in two runs."""

    def compare(x: np.ndarray, y: np.ndarray) -> None:
        np.testing.assert_allclose(x[found_at], y[expected_at], rtol=0, atol=atol)

    jax.tree.map(compare, found.final.params, expected.final.params)
    jax.tree.map(compare, found.final.statistics, expected.final.statistics)
    jax.tree.map(compare, found.final.best, expected.final.best)
    assert found.history.keys() == expected.history.keys()
    for name, values in found.history.items():
        compare(values, expected.history[name])
    compare(found.test_predictions, expected.test_predictions)


def _shared(function: Any) -> Any:
    """A fixture that is the function itself, by its own name."""
    return pytest.fixture(scope="session", name=function.__name__)(lambda: function)


_make_examples = _shared(make_examples)
_pad_more = _shared(pad_more)
_make_program = _shared(make_program)
_make_ensemble = _shared(make_ensemble)
_fit = _shared(fit)
_one_seed = _shared(one_seed)
_assert_same_seed = _shared(assert_same_seed)
_mean_model = pytest.fixture(scope="session", name="mean_model")(lambda: MeanModel)
_norm_model = pytest.fixture(scope="session", name="norm_model")(lambda: NormModel)
_image_model = pytest.fixture(scope="session", name="image_model")(lambda: ImageModel)


@pytest.fixture
def examples() -> Examples:
    return make_examples()


@pytest.fixture(scope="module")
def quick_compilation() -> Iterator[None]:
    """Compiles without LLVM's costly passes: the arithmetic is the same, and a compilation takes a third of the time."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", before)
