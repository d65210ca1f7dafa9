"""What belongs together because it shares something, directly or through others."""

from collections.abc import Hashable, Iterable, Sequence


def connected(keys: Sequence[Iterable[Hashable]]) -> list[int]:
    """By item the place of the first item with which it shares a key, directly or through others.

    Args:
        keys: of each item what it may share; an item without any is alone.
    """
    first: dict[Hashable, int] = {}
    parent = list(range(len(keys)))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    for place, own in enumerate(keys):
        for key in own:
            ends = root(place), root(first.setdefault(key, place))
            parent[max(ends)] = min(ends)
    return [root(place) for place in range(len(keys))]
