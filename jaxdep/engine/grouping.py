"""How many seeds of an accelerator are computed at a time: as many as its memory holds, by the compiler's plan."""

from collections.abc import Callable

ON_CHIP = 64  # seeds whose recurrent weights an accelerator's cache holds: of an H200 (50 MB) some 90 at a width of 128
_SAMPLES = (4, 16)  # seeds at a time whose plans give the line


def group_that_fits(needs: Callable[[int], float], lanes: int, limit: float) -> int:
    """The most lanes at a time that memory holds; 1 where it does not even hold that.

    What a step keeps grows with the lanes at a time, the states do not: two small plans tell both.

    Args:
        needs: what a device needs with so many lanes at a time, in bytes; infinite where it does not compile.
        lanes: of a device.
        limit: bytes.
    """
    if needs(lanes) <= limit:
        return lanes
    # Sizes without a rest, which is a program of its own beside the loop's and would bend the line.
    few, more = (_even(min(size, lanes), lanes) for size in _SAMPLES)
    each = (needs(more) - needs(few)) / max(more - few, 1)
    group = few + int((limit - needs(few)) / each) if 0 < each < float("inf") else 1
    group = _even(max(1, min(group, lanes - 1)), lanes)
    while group > 1 and needs(group) > limit:
        group = _even(max(1, group * 3 // 4), lanes)
    return group


def _even(group: int, lanes: int) -> int:
    """The largest number up to `group` that divides the lanes, unless that is less than half: a rest is compiled too."""
    divisor = next(size for size in range(group, 0, -1) if lanes % size == 0)
    return divisor if 2 * divisor >= group else group
