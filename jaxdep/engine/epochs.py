"""The batches of a seed's epoch: which examples stand in them, and in which order they come."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, PRNGKeyArray, Scalar

from jaxdep.engine.resident import Part


class Rows(NamedTuple):
    """A batch as rows of one bucket.

    Attributes:
        positions: of the examples; where `valid` is False that of any one, which only fills up the batch.
        place: the batch's number in the seed's order of that bucket.
    """

    positions: Int[Array, " batch"]
    valid: Bool[Array, " batch"]
    place: Int[Scalar, ""]


class Order(NamedTuple):
    """The batches of a seed's epoch.

    Attributes:
        plan: [steps, 2], the (bucket, place) of each step, alike for all seeds.
        positions, valid: by bucket, [steps of the bucket, batch].
    """

    plan: Int[Array, "steps 2"]
    positions: tuple[Int[Array, "places batch"], ...]
    valid: tuple[Bool[Array, "places batch"], ...]


def shuffled(
    part: Part,
    batch_size: int,
    order_key: PRNGKeyArray,
    bucket_key: PRNGKeyArray,
    places: Int[Array, " buckets"] | None = None,
) -> Order:
    """Every valid example of the part once: a permutation of each bucket, the buckets' batches in turn at random.

    Args:
        order_key: of this seed and epoch.
        bucket_key: of this epoch; all seeds alternate between the buckets in one order.
        places: by bucket, the batches that hold any example for some seed; those behind them come last.
    """
    by_bucket = [
        _permuted(jax.random.fold_in(order_key, bucket), positions, valid, batch_size)
        for bucket, (positions, valid) in enumerate(zip(part.positions, part.valid, strict=True))
    ]
    positions, valid = zip(*by_bucket, strict=True)
    return Order(_plan(bucket_key, list(map(len, positions)), places), positions, valid)


def filled(order: Order, max_steps: Int[Scalar, ""]) -> tuple[Int[Array, "steps 2"], Int[Scalar, ""]]:
    """The plan with those of its first `max_steps` that hold any example ahead of all others, and how many they are."""
    of_buckets = [valid.any(axis=1) for valid in order.valid]
    starts = jnp.asarray(np.cumsum([0, *map(len, of_buckets)]))
    bucket, place = order.plan.T
    is_filled = jnp.concatenate(of_buckets)[starts[bucket] + place] & (jnp.arange(len(order.plan)) < max_steps)
    return order.plan[jnp.argsort(~is_filled, stable=True)], is_filled.sum()


def batches(rows: Array, size: int) -> Array:
    """[n] -> [ceil(n / size), size], filled up with zeros (row 0; not valid)."""
    return jnp.pad(rows, (0, -len(rows) % size)).reshape(-1, size)


def fold_in(key: PRNGKeyArray, *numbers: Array) -> PRNGKeyArray:
    """`jax.random.fold_in` of one number after another."""
    for number in numbers:
        key = jax.random.fold_in(key, number)
    return key


def _permuted(key: PRNGKeyArray, positions: Array, valid: Array, size: int) -> tuple[Array, Array]:
    """A permutation of a bucket's positions, the invalid ones last, as [steps, size] batches with their validity."""
    rank = jnp.where(valid, jax.random.uniform(key, positions.shape), jnp.inf)
    order = jnp.argsort(rank)
    return batches(positions[order], size), batches(valid[order], size)


def _plan(key: PRNGKeyArray, steps: Sequence[int], places: Int[Array, " buckets"] | None) -> Int[Array, "steps 2"]:
    """The (bucket, batch of that bucket) of each step; buckets alternate at random, alike for all seeds.

    A batch's rank depends on nothing but its bucket and place: seeds with larger splits, which add batches to a bucket,
    leave the order of the others as it was.
    """
    plan = jnp.array([(bucket, place) for bucket, count in enumerate(steps) for place in range(count)], jnp.int32)
    if len(steps) == 1:
        return plan
    rank = jax.vmap(lambda batch: jax.random.uniform(fold_in(key, batch[0], batch[1])))(plan)
    if places is not None:
        rank = jnp.where(plan[:, 1] < places[plan[:, 0]], rank, jnp.inf)
    return plan[jnp.argsort(rank)]
