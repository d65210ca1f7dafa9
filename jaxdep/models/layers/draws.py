"""What is drawn for a batch: each example's numbers are the same, whether one device has the batch or several share it."""

import contextlib
import contextvars
from collections.abc import Callable, Iterator

from jax import lax
from jaxtyping import Array, Int

_axis: contextvars.ContextVar[str | None] = contextvars.ContextVar("axis", default=None)


@contextlib.contextmanager
def shared_over(axis: str | None) -> Iterator[None]:
    """What is traced within has one share of a batch, of which each device along that mesh axis has one; None: all of it."""
    token = _axis.set(axis)
    try:
        yield
    finally:
        _axis.reset(token)


def share() -> tuple[Int[Array, ""] | int, int]:
    """Which share of the batch this device has, from 0 on, and how many there are."""
    axis = _axis.get()
    return (0, 1) if axis is None else (lax.axis_index(axis), lax.axis_size(axis))


def drawn(draw: Callable[[tuple[int, ...]], Array], shape: tuple[int, ...], batch_axis: int = 0) -> Array:
    """`draw(shape)`, where the examples of the batch stand on one axis: of what is drawn for all, this device's share."""
    index, count = share()
    if count == 1:
        return draw(shape)
    size = shape[batch_axis]
    whole = draw((*shape[:batch_axis], size * count, *shape[batch_axis + 1 :]))
    return lax.dynamic_slice_in_dim(whole, index * size, size, batch_axis)
