"""The splits of MGID: what is wrong with those of its authors, and others in which nothing stands on two sides."""

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from input_pipeline.corpora.mgid_table import SPLITS, Item, counted
from input_pipeline.grouping import connected
from input_pipeline.recording import Finding

_SHARED = {"url": "image addresses", "text": "texts", "title": "titles of rows without a text"}
_REPAIRED = "the corpus mgid_repaired has splits in which nothing does"


def keys_of(item: Item) -> dict[str, str]:
    """What a row may share with another, by kind: its address, its text (of a row without one its title), its picture.

    Texts are the same whatever their capitals and spaces. Of a picture that is not there only the address counts.
    """
    words = {"text": item.text, "title": "" if item.text else item.title}
    keys = {kind: " ".join(text.split()).casefold() for kind, text in words.items()}
    file = item.file if item.picture else ""
    return {kind: key for kind, key in {"url": item.url, **keys, "file": file}.items() if key}


def groups_of(items: Sequence[Item], *, within_splits: bool) -> list[int]:
    """By row the place of the first row with which it shares anything, directly or through others.

    Args:
        within_splits: what rows of two splits share does not count.
    """
    keys = [[(item.split if within_splits else "", *key) for key in keys_of(item).items()] for item in items]
    return connected(keys)


def repaired(items: Sequence[Item]) -> list[Item]:
    """The rows in splits in which no group stands on two sides, of the sizes and with the classes of all in proportion.

    It is iterative stratification (Sechidis, Tsoumakas and Vlahavas, "On the stratification of multi-label data", 2011),
    with groups in the place of examples: the groups with the rarest class are given out first, each to the split that
    lacks most of that class. Before that each split gets one of every class, as far as there are as many groups.
    Nothing is drawn: the order is that of the rows' digests, so the splits are always the same.
    """
    groups = np.array(groups_of(items, within_splits=False))
    names, index = np.unique(groups, return_inverse=True)
    labels = sorted({pair for item in items for pair in item.labels.items()}, key=str)
    counts = np.zeros((len(names), len(labels)), int)  # [groups, labels]
    for group, item in zip(index, items, strict=True):
        counts[group, [labels.index(pair) for pair in item.labels.items()]] += 1
    digests = [_digest(items[name]) for name in names]
    sizes = np.bincount(index, minlength=len(names))
    order = sorted(range(len(names)), key=lambda group: (-sizes[group], digests[group]))
    of_splits = Counter(item.split for item in items)
    shares = np.array([of_splits[split] for split in SPLITS]) / len(items)
    chosen = _give_out(counts, sizes, order, shares)
    return [dataclasses.replace(item, split=SPLITS[chosen[group]]) for group, item in zip(index, items, strict=True)]


def _give_out(
    counts: Int[np.ndarray, "groups labels"],
    sizes: Int[np.ndarray, " groups"],
    order: Sequence[int],
    shares: Float[np.ndarray, " splits"],
) -> Int[np.ndarray, " groups"]:
    """The split of each group; those that have one label are given out in `order`."""
    chosen = np.full(len(counts), -1)
    held = np.zeros((len(shares), counts.shape[1]), int)
    lacking, room = shares[:, None] * counts.sum(0), shares * sizes.sum()

    def give(group: int, split: int) -> None:
        chosen[group] = split
        held[split] += counts[group]
        lacking[split] -= counts[group]
        room[split] -= sizes[group]

    for label in np.argsort(counts.sum(0), kind="stable"):
        for split in np.flatnonzero(held[:, label] == 0):
            small = (group for group in reversed(order) if chosen[group] < 0 and counts[group, label])
            if (group := next(small, None)) is not None:
                give(group, int(split))
    while (left := chosen < 0).any():
        of_label = counts[left].sum(0)
        label = np.argmin(np.where(of_label > 0, of_label, np.iinfo(int).max))
        for group in order:
            if chosen[group] < 0 and counts[group, label]:
                give(group, int(np.lexsort((room, lacking[:, label]))[-1]))
    return chosen


def _digest(item: Item) -> bytes:
    return hashlib.blake2b("\n".join((item.url, item.title, item.text)).encode(), digest_size=8).digest()


def defects_of_splits(root: Path, items: Sequence[Item], classes: Mapping[str, tuple[str, ...]]) -> list[Finding]:
    """What stands on two sides of the splits, and the classes that one of them has not; each a warning."""
    findings = [finding for kind in _SHARED for finding in _on_two_sides(root, items, kind)]
    for task, names in classes.items():
        by_split = {split: Counter(item.labels[task] for item in items if item.split == split) for split in SPLITS}
        for name in names:
            rows = {split: count[name] for split, count in by_split.items()}
            empty = [split for split, count in rows.items() if not count]
            if empty:
                others = ", ".join(f"{count} of {split}" for split, count in rows.items() if count) or "none of any"
                what = f"no row of {' and '.join(empty)} has the {task} class {name!r}, {others} have"
                findings.append(Finding("warning", "absent-class", f"{root}: {what}; its recall is not known there"))
    return findings


def defects_of_rows(root: Path, items: Sequence[Item]) -> list[Finding]:
    """What rows lack, and what several of them share that should be each one's own; each a warning."""
    without_text = [item for item in items if not item.text]
    by_url, by_file = _by(items, lambda item: item.url), _by(items, lambda item: item.file)
    repeated = _again(items, lambda item: (item.split, *item.labels.values(), item.title, item.text, item.url))
    same_url = _again(items, lambda item: (item.split, item.url) if item.url else None)
    contradicting = [rows[0] for rows in by_url if any(item.labels != rows[0].labels for item in rows)]
    same_file = [item for rows in by_file if len({item.url for item in rows}) > 1 for item in rows]
    found = {
        "empty-text": (without_text, "have no text", "their words are those of the title, if they have one"),
        "duplicate-row": (repeated, "stand in their split a second time", "they are kept"),
        "duplicate-url": (same_url, "have the image address of an earlier row of their split", "they are kept"),
        "contradictory-labels": (
            contradicting,
            "share their image address with others of other labels",
            "they are kept",
        ),
        "same-file-name": (
            same_file,
            "have a picture that is called as that of another address",
            "call it as the last part of its address with the query, or one picture is read for all",
        ),
    }
    return [
        finding
        for rule, (rows, what, advice) in found.items()
        for finding in counted(rule, root, rows, len(items), what, advice)
    ]


def _on_two_sides(root: Path, items: Sequence[Item], kind: str) -> list[Finding]:
    """What of a kind stands in several splits, counted for each two of them."""
    by_split: dict[str, dict[str, Item]] = {split: {} for split in SPLITS}
    for item in items:
        if key := keys_of(item).get(kind):
            by_split[item.split].setdefault(key, item)
    shared = {pair: by_split[pair[0]].keys() & by_split[pair[1]].keys() for pair in combinations(SPLITS, 2)}
    shared = {pair: keys for pair, keys in shared.items() if keys}
    if not shared:
        return []
    counts = ", ".join(f"{len(keys)} in {one} and {other}" for (one, other), keys in shared.items())
    (one, other), keys = next(iter(shared.items()))
    key = next(key for key in by_split[one] if key in keys)
    first = f"that of {by_split[one][key].place}, is that of {by_split[other][key].place}"
    message = f"{root}: {_SHARED[kind]} stand on two sides, {counts} ({first}); {_REPAIRED}"
    return [Finding("warning", f"{kind}-in-two-splits", message)]


def _by(items: Sequence[Item], key_of: Callable[[Item], str]) -> list[list[Item]]:
    """The rows that have a key, by it."""
    found: dict[str, list[Item]] = {}
    for item in items:
        if key := key_of(item):
            found.setdefault(key, []).append(item)
    return list(found.values())


def _again(items: Sequence[Item], key_of: Callable[[Item], object]) -> list[Item]:
    """The rows whose key an earlier row has; None is no key."""
    seen: set[object] = {None}
    found = []
    for item in items:
        key = key_of(item)
        if key is not None and key in seen:
            found.append(item)
        seen.add(key)
    return found
