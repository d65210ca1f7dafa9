"""Checkpoints of a stage: the states of all seeds and their history, by Orbax, written in the background."""

import contextlib
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import jax
import numpy as np
import orbax.checkpoint as ocp
from jaxtyping import Float

from input_pipeline.errors import DataError
from jaxdep.engine.program import SeedState

History = dict[str, Float[np.ndarray, "S epochs"]]  # by "split/metric"; NaN where a seed did not run
_OS_ERROR = re.compile(r"([^:]+) \[os_error_code='\d+'\]")  # in tensorstore's messages


class Checkpoints:
    """The checkpoints in a folder; the newest complete one counts. A context manager, which waits for the last write.

    A checkpoint is complete only once Orbax has renamed its folder, so that a kill leaves the one before.

    Args:
        every_s: `save` writes only when the last write lies so long back, unless it is told that it must.
    """

    def __init__(self, folder: Path, every_s: float):
        self._every_s, self._written_at = every_s, time.monotonic()
        self._folder = folder
        options = ocp.CheckpointManagerOptions(max_to_keep=1, create=True, enable_async_checkpointing=True)
        self._manager = ocp.CheckpointManager(folder.absolute(), options=options)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._failing_in_one_line():
            self._manager.close()

    def due(self) -> bool:
        """Whether the last write lies so long back that the next one is due."""
        return time.monotonic() - self._written_at >= self._every_s

    def save(self, epoch: int, states: SeedState, history: Mapping[str, np.ndarray]) -> None:
        """Begins to write the states and the history after `epoch` epochs; the arrays must not change any more."""
        if self._manager.latest_step() == epoch:
            return
        with self._failing_in_one_line():
            self._manager.save(epoch, args=ocp.args.StandardSave({"states": states, "history": _nested(history)}))
        self._written_at = time.monotonic()

    @contextlib.contextmanager
    def _failing_in_one_line(self) -> Iterator[None]:
        """Names the folder where the disk refuses; Orbax tells it of the write before, tensorstore as a ValueError."""
        try:
            yield
        except (OSError, ValueError) as error:
            refused = error.strerror if isinstance(error, OSError) else _OS_ERROR.search(str(error))
            if refused is None:
                raise
            reason = refused if isinstance(refused, str) else refused[1].strip()
            raise DataError(
                f"{self._folder}: a checkpoint cannot be written ({reason}); free space there and run again"
            ) from None

    def restore(self, states: SeedState, history: Mapping[str, np.ndarray]) -> tuple[int, SeedState, History] | None:
        """The newest checkpoint as (epochs, states, history), or None where there is none.

        Args:
            states, history: shapes and types of what was saved.
        """
        epoch = self._manager.latest_step()
        if epoch is None:
            return None
        shapes = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), {"states": states, "history": _nested(history)}
        )
        saved = self._manager.restore(epoch, args=ocp.args.StandardRestore(shapes))
        # Orbax gives device arrays: the history grows in place on the host, the states are placed by the ensemble.
        saved = jax.tree.map(np.array, saved)
        found = {f"{split}/{name}": x for split, metrics in saved["history"].items() for name, x in metrics.items()}
        return epoch, saved["states"], found


def _nested(history: Mapping[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    """By split and metric: a slash in a name would be a folder in the checkpoint."""
    nested: dict[str, dict[str, np.ndarray]] = {}
    for name, values in history.items():
        split, metric = name.split("/")
        nested.setdefault(split, {})[metric] = values
    return nested
