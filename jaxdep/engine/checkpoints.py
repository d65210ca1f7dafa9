"""Checkpoints of a stage: the states of all seeds and their history, by Orbax, written in the background.

Each carries the digests of its files, so that nothing goes on from what a disk has changed, and no library is given it.
"""

import contextlib
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import jax
import numpy as np
import orbax.checkpoint as ocp
from jaxtyping import Float

from input_pipeline.errors import DataError, advice
from jaxdep.engine.processes import agreed, are_several, is_first
from jaxdep.engine.program import SeedState
from jaxdep.files import digests, read_json, write_json

History = dict[str, Float[np.ndarray, "S epochs"]]  # by "split/metric"; NaN where a seed did not run
_KEPT = 2  # the second is what counts where the first is damaged
_ARRAYS, _DIGESTS = "default", "digests.json"  # in a checkpoint: what Orbax wrote, and the digests of those files
_OS_ERROR = re.compile(r"([^:]+) \[os_error_code='(\d+)'\]")  # in tensorstore's messages


class Checkpoints:
    """The checkpoints in a folder; the newest sound one counts. A context manager, which waits for the last write.

    A checkpoint is complete only once Orbax has renamed its folder, so that a kill leaves the one before.

    Args:
        every_s: seconds after a write until the next one is `due`.
        tell: is given a line where a damaged checkpoint is left out.
        together: all processes use it, for what all of them train: each writes a part of what it has, and all restore the
            same. Else this process uses it alone.
    """

    def __init__(self, folder: Path, every_s: float, tell: Callable[[str], object] = print, *, together: bool = False):
        self._every_s, self._written_at = every_s, time.monotonic()
        self._folder, self._tell, self._together = folder, tell, together
        folder.mkdir(parents=True, exist_ok=True)
        this = jax.process_index()
        alone = ocp.options.MultiprocessingOptions(
            primary_host=this, active_processes={this}, barrier_sync_key_prefix=f"process {this}"
        )
        options = ocp.CheckpointManagerOptions(
            max_to_keep=_KEPT,
            create=False,
            enable_async_checkpointing=True,
            async_options=ocp.AsyncOptions(post_finalization_callback=self._note_digests),
            multiprocessing_options=ocp.options.MultiprocessingOptions() if together or not are_several() else alone,
        )
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
        tree = {"states": states, "history": _nested(history)}
        with self._failing_in_one_line():
            self._manager.save(epoch, args=ocp.args.StandardSave(tree))
        self._written_at = time.monotonic()

    @contextlib.contextmanager
    def _failing_in_one_line(self) -> Iterator[None]:
        """Names the folder where the disk refuses; Orbax tells it of the write before, tensorstore as a ValueError."""
        try:
            yield
        except (OSError, ValueError) as error:
            told = _OS_ERROR.search(str(error))
            if isinstance(error, OSError) and error.errno is not None:
                reason, number = error.strerror, error.errno
            elif told is not None:
                reason, number = told[1].strip(), int(told[2])
            else:
                raise
            raise DataError(
                f"{self._folder}: a checkpoint cannot be written ({reason}); {advice(number)}, and run again"
            ) from None

    def restore(self, states: SeedState, history: Mapping[str, np.ndarray]) -> tuple[int, SeedState, History] | None:
        """The newest sound checkpoint as (epochs, states, history), or None where there is none.

        Those that are damaged are told of and removed: what they held is computed once more.

        Args:
            states, history: shapes and types of what was saved.

        Raises:
            DataError: the operating system refuses to read one, or it holds other arrays.
        """
        for epoch in sorted(self._manager.all_steps(), reverse=True):
            folder = self._folder / str(epoch)
            if self._agreed(is_sound(folder)):
                return epoch, *self._read(epoch, states, history)
            self._tell(f"{folder}: the checkpoint is damaged; what it held is computed once more")
            if is_first() or not self._together:
                shutil.rmtree(folder)
            self._agreed(True)  # it is gone for all
            self._manager.reload()
        return None

    def _agreed(self, is_so: bool) -> bool:
        return agreed(is_so) if self._together else is_so

    def restore_last(self, states: SeedState, history: Mapping[str, np.ndarray]) -> tuple[SeedState, History] | None:
        """The states and the history of the newest checkpoint and no other, or None where there is none, or it is
        damaged. Raises DataError as `restore` does."""
        epoch = self._manager.latest_step()
        if epoch is None or not is_sound(self._folder / str(epoch)):
            return None
        return self._read(epoch, states, history)

    def _read(self, epoch: int, states: SeedState, history: Mapping[str, np.ndarray]) -> tuple[SeedState, History]:
        # As numpy arrays: the history grows in place on the host, the ensemble places the states. Of those given here, which
        # take no memory, Orbax reads shape and type.
        wanted = jax.tree.map(
            lambda x: np.broadcast_to(np.zeros((), x.dtype), x.shape), {"states": states, "history": _nested(history)}
        )
        try:
            saved = jax.tree.map(np.array, self._manager.restore(epoch, args=ocp.args.StandardRestore(wanted)))
        except ValueError:  # its files are what was written, so that something else is wanted now
            raise DataError(
                f"{self._folder / str(epoch)}: holds other arrays than this version of jaxdep has; go on with the version "
                f"that wrote it, or remove {self._folder}, and what it held is computed once more"
            ) from None
        found = {f"{split}/{name}": x for split, metrics in saved["history"].items() for name, x in metrics.items()}
        return saved["states"], found

    def _note_digests(self) -> None:
        """Called by Orbax when all files of a checkpoint are written, before it renames their folder."""
        if self._together and not is_first():
            return
        for arrays in self._folder.glob(f"*tmp*/{_ARRAYS}"):
            write_json(arrays.parent / _DIGESTS, digests(arrays))


def complete(folder: Path) -> list[Path]:
    """The checkpoints in a folder, the newest first; half written ones are none."""
    found = [path for path in folder.glob("*") if path.name.isdecimal()]
    return sorted(found, key=lambda path: -int(path.name))


def is_sound(folder: Path) -> bool:
    """Whether a checkpoint is what was written. Raises DataError where the operating system refuses to read it."""
    try:
        return bool(read_json(folder / _DIGESTS) == digests(folder / _ARRAYS))
    except DataError:
        return False
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror})") from None


def _nested(history: Mapping[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    """By split and metric: a slash in a name would be a folder in the checkpoint."""
    nested: dict[str, dict[str, np.ndarray]] = {}
    for name, values in history.items():
        split, metric = name.split("/")
        nested.setdefault(split, {})[metric] = values
    return nested
