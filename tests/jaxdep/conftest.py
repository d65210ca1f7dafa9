"""Small sets of examples whose labels can be learned, made in memory."""

import dataclasses

import numpy as np
import pytest

from input_pipeline.batching import Bucket, Examples, Padded


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
        cut={"audio": 0},
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


@pytest.fixture
def examples() -> Examples:
    return make_examples()
