"""Perturbed copies of a corpus's recordings, as feature sets: behind the recordings, which stay as and where they are."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from input_pipeline.batching import FeatureSet, aligned
from input_pipeline.errors import DataError


def with_copies(sets: Mapping[str, FeatureSet], copies: Sequence[Mapping[str, FeatureSet]]) -> dict[str, FeatureSet]:
    """The feature sets with those of each copy of all recordings behind them, in the same order.

    Copy k of a recording is called `<recording>~<k>`, k from 1 on; all else that is known of the recording holds for it.

    Args:
        sets: by feature name.
        copies: of each copy, its sets by the same names.

    Raises:
        DataError: a copy is not of the same recordings, or has not as many frames of each segment.
    """
    return {name: _with_copies(name, found, [copied[name] for copied in copies]) for name, found in sets.items()}


def _with_copies(name: str, found: FeatureSet, copies: Sequence[FeatureSet]) -> FeatureSet:
    recordings = list(found.recordings)
    for number, copied in enumerate(copies, 1):
        called = f"{name}, copy {number}"
        for original, copy in zip(*aligned({name: found, called: copied}).values(), strict=True):
            if not np.array_equal(original.lengths, copy.lengths):
                raise DataError(
                    f"recording {original.id}: {called!r} has {copy.lengths.sum()} frames, {name!r} "
                    f"{original.lengths.sum()}; prepare both again from one state of the corpus"
                )
            recordings.append(copy._replace(id=f"{original.id}~{number}"))
    return dataclasses.replace(found, recordings=tuple(recordings), copies=tuple(one.description for one in copies))
