"""Takes over what the chunks of a sweep trained of a stage: their checkpoints are linked into its own folder."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from input_pipeline.errors import DataError, advice
from input_pipeline.scratch import scratch_folder
from jaxdep.engine.checkpoints import complete, is_sound
from jaxdep.stages import StageRun, record
from jaxdep.stages.trained import checkpoint_folder, trained_seeds

_OF_ALL = ("environment", "train_s", "trained")  # what `adopt` makes of all records


def adopt(stage: StageRun, folders: Iterable[Path]) -> None:
    """Makes the seeds that this stage trained in other folders count as trained here, those that are not yet.

    Args:
        folders: of the stage in the chunks' workdirs; each has finished there.

    Raises:
        DataError: a chunk was trained on other data or by another version, its checkpoint is damaged, or it cannot be
            linked; or there are still seeds that none of them trained.
    """
    facts = stage.record
    trained, train_s = list(facts.get("trained", [])), float(facts.get("train_s", 0.0))
    have = {seed for seeds in trained_seeds(stage) for seed in seeds}
    environments = [facts["environment"]]
    for folder in folders:
        theirs = record.read(folder)
        if theirs["fingerprint"] != facts["fingerprint"]:
            raise DataError(
                f"{folder}: trained on other data than are here now, or by another version; run the chunk again, or delete it"
            )
        environments.append(theirs.get("environment", {}))
        new = [(first, count) for first, count in theirs["trained"] if not have.issuperset(range(first, first + count))]
        for first, count in new:
            name = checkpoint_folder(stage, range(first, first + count))
            _link(folder / name.relative_to(stage.folder), name)
            trained.append([first, count])
            have.update(range(first, first + count))
        train_s += float(theirs.get("train_s", 0.0)) if new else 0.0
        facts = {name: told for name, told in theirs.items() if name not in _OF_ALL} | facts
    if lacking := [seed for seed in stage.seeds.ids if seed not in have]:
        raise DataError(f"{stage.folder}: no chunk trained seed {lacking[0]}, though one says so; run its chunk again")
    stage.remember(**facts | {"trained": trained, "train_s": train_s, "environment": record.merged(environments)})


def _link(source: Path, target: Path) -> None:
    """Puts the newest checkpoint of a folder into another, whole or not at all; by hard links where there are such."""
    checkpoints = complete(source)
    if not checkpoints or not is_sound(checkpoints[0]):
        raise DataError(
            f"{source}: holds no checkpoint, or a damaged one; delete {source.parent.parent} and run the chunk again"
        )
    try:
        shutil.rmtree(target, ignore_errors=True)  # of a process that was killed before it could say so
        with scratch_folder(target) as scratch:
            shutil.copytree(checkpoints[0], scratch / target.name / checkpoints[0].name, copy_function=_link_file)
            (scratch / target.name).rename(target)
    except OSError as error:
        raise DataError(f"{target}: cannot be written ({error.strerror}); {advice(error.errno)}") from None


def _link_file(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copy2(source, target)
