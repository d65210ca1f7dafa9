"""Who trains, who validates, who is tested: whole participants, where the config does not ask for leaks."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Int, Num
from sklearn.model_selection import KFold, ShuffleSplit, StratifiedKFold, StratifiedShuffleSplit

from input_pipeline.batching import Examples
from input_pipeline.config import ConfigError
from input_pipeline.errors import DataError
from jaxdep.config import Folds, Splits

PARTS = ("train", "validation", "test")


def assign(
    examples: Examples, splits: Splits, labels: Num[np.ndarray, " N"], split_seed: int
) -> dict[str, Int[np.ndarray, " n"]]:
    """The examples of each part that has any, as ascending indices into the example axis; copies, of those that train.

    Args:
        labels: by which a drawn validation split is stratified, if they are classes and each participant is of one.
        split_seed: what the seed's own draw of a validation split depends on; of no effect where the config lists the
            participants, or names the draw.

    Raises:
        DataError: a name of the config is not in the corpus, nobody is left to train on, or a participant stands in
            two parts; the line names it.
    """
    names = (examples.splits if splits.by == "split" else examples.participants)[: examples.n_originals]
    listed = {"train": splits.train, "validation": splits.validation, "test": splits.test}
    for part, wanted in listed.items():
        unknown = sorted(set(wanted) - set(names))
        if unknown:
            known = ", ".join(sorted(set(names))) or "none"
            raise DataError(f"splits.{part}: the corpus has no {splits.by} {unknown[0]!r}; it has: {known}")
    parts = {part: np.flatnonzero(np.isin(names, wanted)) for part, wanted in listed.items()}
    if splits.by == "participant" and not splits.train:
        parts["train"] = np.flatnonzero(~np.isin(names, [*splits.validation, *splits.test]))
    if splits.test_fraction:
        parts["train"], parts["test"] = _draw(examples, parts["train"], labels, splits, "test", splits.test_draw)
    if splits.validation_fraction:
        number = split_seed if splits.validation_draw is None else splits.validation_draw
        parts["train"], parts["validation"] = _draw(examples, parts["train"], labels, splits, "validation", number)
    if parts["train"].size == 0:
        raise DataError(f"splits.train: {splits.train!r} leaves no example to train on")
    if not splits.leaky:
        _check_disjoint(examples, parts)
    parts["train"] = examples.with_copies(parts["train"])
    return {part: rows for part, rows in parts.items() if rows.size}


def divided(examples: Examples, splits: Splits, labels: Num[np.ndarray, " N"]) -> tuple[Splits, ...]:
    """The splits of each fold, with its participants by name; where there are no folds the splits as they are.

    Args:
        labels: by which drawn folds are stratified, if they are classes and each group is of one.

    Raises:
        ConfigError: the corpus has no such groups, or too few of them.
        DataError: a participant stands in two groups.
    """
    folds = splits.folds
    if folds is None:
        return (splits,)
    group_of = _groups(examples, folds)
    names, first, of_example = np.unique(group_of, return_index=True, return_inverse=True)
    count, least = folds.count or len(names), 3 if folds.validate else 2
    if not least <= count <= len(names):
        found = f"{count} folds of {len(names)}" if folds.count else f"{len(names)}"
        raise ConfigError(f"splits.folds: {found} groups by {folds.by!r}; at least {least} folds of a group are needed")
    tested = [[name] for name in names]
    if folds.count:
        is_class = labels.dtype.kind == "i" and bool((labels == labels[first][of_example]).all())
        method = (StratifiedKFold if is_class else KFold)(folds.count, shuffle=True, random_state=folds.seed)
        tested = [names[chosen] for _, chosen in method.split(names, labels[first] if is_class else None)]
    people = [tuple(np.unique(examples.participants[np.isin(group_of, group)]).tolist()) for group in tested]
    return tuple(_of_fold(index, people, splits) for index in range(count))


def examples_tested(examples: Examples, splits: Splits, labels: Num[np.ndarray, " N"]) -> Int[np.ndarray, " n"]:
    """The examples that are tested, in any fold; raises as `divided` and `assign`."""
    nobody = np.zeros(0, int)
    of_folds = [assign(examples, fold, labels, 0).get("test", nobody) for fold in divided(examples, splits, labels)]
    return np.unique(np.concatenate(of_folds))


def is_labelled(examples: Examples, rows: Int[np.ndarray, " n"], task: str) -> Bool[np.ndarray, " n"]:
    """Which of the examples have the label."""
    labels = examples.labels[task][rows]
    return labels >= 0 if task in examples.classes else np.isfinite(labels)


def check_labelled(examples: Examples, parts: Mapping[str, Int[np.ndarray, " n"]], tasks: Iterable[str]) -> None:
    """Raises DataError where a label is unknown of everybody who trains, or of everybody who validates."""
    for part in [part for part in ("train", "validation") if part in parts]:
        for task in tasks:
            if not is_labelled(examples, parts[part], task).any():
                raise DataError(f"splits.{part}: no example of this part has the label {task!r}; name another part")


def _groups(examples: Examples, folds: Folds) -> np.ndarray:
    """The group of each example."""
    known = {"participant": examples.participants, "split": examples.splits} | examples.metadata
    if folds.by not in known:
        raise ConfigError(f"splits.folds.by: the corpus has no {folds.by!r}; there are {', '.join(known)}")
    groups = known[folds.by]
    seen: dict[str, str] = {}
    for participant, group in dict.fromkeys(zip(examples.participants.tolist(), groups.tolist(), strict=True)):
        if group == "":
            raise DataError(f"splits.folds.by: participant {participant!r} has no {folds.by!r}")
        if seen.setdefault(participant, group) != group:
            raise DataError(
                f"splits.folds.by: participant {participant!r} stands in both {seen[participant]!r} and {group!r}; "
                "divide by participant"
            )
    return groups


def _of_fold(index: int, people: Sequence[tuple[str, ...]], splits: Splits) -> Splits:
    validation = people[index - 1] if splits.folds is not None and splits.folds.validate else ()
    rest = [name for group in people for name in group if name not in (*people[index], *validation)]
    return Splits(
        by="participant",
        train=tuple(rest),
        validation=validation,
        test=people[index],
        validation_fraction=splits.validation_fraction,
        validation_draw=splits.validation_draw,
    )


def _draw(
    examples: Examples, pool: np.ndarray, labels: np.ndarray, splits: Splits, part: str, number: int
) -> tuple[np.ndarray, np.ndarray]:
    """Divides the pool's participants, stratified by label, into those that stay and those of the part: their examples."""
    whose = pool if splits.leaky else examples.participants[pool]
    units, first, of_example = np.unique(whose, return_index=True, return_inverse=True)
    # A score has no classes to stratify by, nor has somebody whose utterances are of several.
    is_class = labels.dtype.kind == "i" and bool((labels[pool] == labels[pool][first][of_example]).all())
    method, share = StratifiedShuffleSplit if is_class else ShuffleSplit, getattr(splits, f"{part}_fraction")
    draw = method(1, test_size=share, random_state=number)
    strata = labels[pool][first]
    try:
        _, held_out = next(draw.split(units, _pooled(strata) if splits.leaky and is_class else strata))
    except ValueError as error:
        raise DataError(
            f"splits.{part}_fraction={share}: cannot divide {len(units)} {'examples' if splits.leaky else 'participants'}"
            f" so that every class stands in both parts ({error})"
        ) from None
    is_held_out = np.isin(whose, units[held_out])
    return pool[~is_held_out], pool[is_held_out]


def _pooled(strata: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """The classes, those of one example as one class: a window may be its level's only one. A last one that is alone then
    goes with the most frequent class."""
    names, index, counts = np.unique(strata, return_inverse=True, return_counts=True)
    single = counts[index] == 1
    return np.where(single, len(names) if single.sum() > 1 else counts.argmax(), index)


def _check_disjoint(examples: Examples, parts: dict[str, np.ndarray]) -> None:
    seen: dict[str, str] = {}
    for part, rows in parts.items():
        for participant in np.unique(examples.participants[rows]).tolist():
            if participant in seen:
                raise DataError(
                    f"participant {participant!r} stands in both {seen[participant]} and {part};"
                    " correct the corpus's split files or name participants instead of splits"
                )
            seen[participant] = part
