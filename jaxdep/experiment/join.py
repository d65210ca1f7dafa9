"""The chunks of a sweep as one run: what they trained is linked into the sweep's folder, and an ordinary run over the seeds
that are there goes on from it. It trains nothing; its report is that of a run that trained them all."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from input_pipeline.errors import DataError
from jaxdep.config import Experiment, Seeds
from jaxdep.config.settings import told_seeds
from jaxdep.engine.choices import Choices
from jaxdep.experiment import data
from jaxdep.experiment.claim import Claim
from jaxdep.experiment.run import Run, check_data
from jaxdep.experiment.sweep import Chunk, Sweep, seeds_of, trained, trainers
from jaxdep.stages import Place, StageRun
from jaxdep.stages.adopt import adopt
from jaxdep.stages.sources import Sources


def run(
    experiment: Experiment, folder: Path, sources: Sources, *, overwrite: bool = False, choices: Choices | None = None
) -> None:
    """Joins the chunks that are there, also while others are at work, and writes the report.

    Raises:
        ConfigError: the sweep is that of another config, or another process is joining it.
        DataError: no chunk is finished, or what one left is damaged.
    """
    sweep = Sweep(folder)
    arguments = sweep.facts["arguments"]
    with Claim(folder, experiment, overwrite=overwrite, any_seeds=True) as claim:
        chunks = sweep.chunks()
        by_wave = trained(experiment, chunks)
        if not by_wave[0]:
            raise DataError(f"{folder}: none of its chunks, {len(chunks)} that have begun, has finished; wait for one")
        claim.experiment = joined = over(experiment, by_wave)
        check_data(joined, sources)
        data.warn(joined, sources, folder / "stages")
        join = Join(joined, folder, claim, sources, choices, by_wave)
        names = [name for name in joined.stages if by_wave[joined.wave(name)]]
        join.make(names)
        claim.take()
        command = shlex.join(["python", "-m", "jaxdep.main", *arguments, *_flags(joined.seeds)])
        join.write_report(names, command, missing(joined, by_wave, sweep.of(chunks)))


def over(experiment: Experiment, by_wave: Sequence[Sequence[Chunk]]) -> Experiment:
    """The experiment of one run over all seeds that any chunk has trained."""
    return experiment.over(experiment.seeds.only(seeds_of(by_wave[0])))


def missing(experiment: Experiment, by_wave: Sequence[Sequence[Chunk]], of: int) -> list[str]:
    """What of a sweep is not there yet, in sentences.

    Args:
        of: how many seeds it has, from 0 on; 0 where that is not known, and then seeds between others are missing alone.
    """
    there = seeds_of(by_wave[0])
    wanted = range(of) if of else range(there[0], there[-1] + 1)
    found = []
    for wave, chunks in enumerate(by_wave):
        lacking = sorted(set(wanted) - set(seeds_of(chunks)))
        names = [name for name in trainers(experiment) if experiment.wave(name) == wave]
        of_stages = f" of {', '.join(names)}" if len(by_wave) > 1 else ""
        if lacking and names:
            told = ", ".join(told_seeds(lacking))
            found.append(f"{len(lacking)} of {len(wanted)} seeds{of_stages} are missing: {told}.")
    return found


class Join(Run):
    """The stages of a sweep over the seeds that its chunks have trained.

    Args:
        by_wave: those chunks, as `sweep.trained` gives them.
    """

    def __init__(
        self,
        experiment: Experiment,
        folder: Path,
        claim: Claim,
        sources: Sources,
        choices: Choices | None,
        by_wave: Sequence[Sequence[Chunk]],
    ):
        super().__init__(experiment, folder, claim, sources, choices)
        self._by_wave = by_wave

    def seeds(self, name: str) -> Seeds:
        return self._of_wave(self.experiment.wave(name))

    def seeds_behind(self, name: str) -> Seeds:
        wave = self.experiment.wave(name)
        return self._of_wave(wave - 1) if self.experiment.stages[name].trainer and wave else self._of_wave(wave)

    def places(self, name: str) -> dict[str, Place]:
        return {needed: Place(self.extracted, self.seeds(needed)) for needed in self.experiment.stages[name].needs()}

    def before(self, stage: StageRun) -> None:
        if self.experiment.stages[stage.name].trainer:
            chunks = self._by_wave[self.experiment.wave(stage.name)]
            adopt(stage, [chunk.stage(stage.name) for chunk in chunks])

    def _of_wave(self, wave: int) -> Seeds:
        return self.experiment.seeds.only(seeds_of(self._by_wave[wave]))


def _flags(seeds: Seeds) -> list[str]:
    """What a command line says of those of an ordinary run."""
    return [f"--config.seeds.count={seeds.count}", *(f"--config.seeds.missing={told}" for told in seeds.missing)]
