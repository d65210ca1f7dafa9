"""Runs the stages of an experiment in order inside a workdir, and makes its report. A finished stage is not run twice.

No kind of stage is known here: each says itself what runs it, what it needs, and what it shows.
"""

import dataclasses
import hashlib
import json
import pkgutil
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

from input_pipeline.batching import Examples
from input_pipeline.recording import digest_files
from jaxdep import report
from jaxdep.config import Data, Experiment, Seeds, StageConfig
from jaxdep.config.stages.base import Finished
from jaxdep.engine.choices import Choices
from jaxdep.experiment import data
from jaxdep.experiment.claim import Claim, loss
from jaxdep.experiment.versions import environment
from jaxdep.files import read_json, write_json
from jaxdep.stages import Place, StageRun, record
from jaxdep.stages.sources import Sources


def run(
    experiment: Experiment,
    workdir: Path,
    sources: Sources,
    *,
    command: str,
    overwrite: bool = False,
    choices: Choices | None = None,
    kind: "Callable[..., Run] | None" = None,
) -> None:
    """Runs what of the experiment is not finished in `workdir`, and writes the report.

    Args:
        experiment: frozen.
        command: the line that makes this run, for the page.
        overwrite: takes a workdir of another config; stages that are the same in both are kept.
        choices: where the mapper `auto` remembers what was quickest; it measures each time without.
        kind: of run; `Run`, unless given.

    Raises:
        ConfigError: the workdir holds another config; the message shows the difference. Or another process is at work
            in it. Or a stage asks for what its corpus does not have, which is told before anything is computed.
        DataError: the data cannot be used.
    """
    with Claim(workdir, experiment, overwrite=overwrite) as claim:
        check_data(experiment, sources)
        data.warn(experiment, sources, workdir / "stages")
        run = (kind or Run)(experiment, workdir, claim, sources, choices)
        run.make(experiment.stages)
        claim.take()
        run.write_report(experiment.stages, command)


def check_data(experiment: Experiment, sources: Sources) -> None:
    """Checks what the stages ask for, and computes features that are not on disk: what is wrong with a corpus is told
    before hours of training. Raises ConfigError and DataError as `run`."""
    data.check(experiment, sources)
    for stage in experiment.stages.values():
        sources.prepare(stage.data)


class Run:
    """The stages of an experiment in a workdir.

    Those of a chunk of a sweep (chunk.py), and of all its chunks together (join.py), are made in the same way, but for
    what the first five methods say.

    Args:
        experiment: frozen.
        claim: of the workdir.
    """

    def __init__(
        self, experiment: Experiment, workdir: Path, claim: Claim, sources: Sources, choices: Choices | None = None
    ):
        self.experiment, self.workdir, self._claim, self._sources = experiment, workdir, claim, sources
        self._choices = choices

    def seeds(self, name: str) -> Seeds:
        """Those of a stage."""
        return dataclasses.replace(self.experiment.seeds, of=0)

    def seeds_behind(self, name: str) -> Seeds:
        """Those on which the results of a stage depend whose own would be others if there were more of them."""
        return self.seeds(name)

    def places(self, name: str) -> dict[str, Place]:
        """Where the stages that a stage needs are, if not beside it with its seeds."""
        return {}

    def runner(self, config: StageConfig) -> str:
        """What runs it: "package.module:function"."""
        return config.runner

    def before(self, stage: StageRun) -> None:
        """Called before a stage runs that is not finished."""

    @property
    def extracted(self) -> Path:
        """The folder of the stages that extract features."""
        return self.workdir / "stages"

    def stage_run(self, name: str, examples: Examples) -> StageRun:
        """A stage on its way, over these examples."""
        return StageRun(
            name,
            self.workdir / "stages" / name,
            examples,
            self.seeds(name),
            self.experiment.mapping,
            self._sources.console,
            self._sources,
            self.experiment.stages,
            self._choices,
            self.places(name),
            self.extracted,
        )

    def make(self, names: Iterable[str]) -> None:
        """Runs those of the stages that are not finished, in this order; raises as `run`."""
        names = list(names)
        for index, name in enumerate(names):
            self._sources.forget_all_but(self._data_of(names[index:]), self.extracted)
            self._make(name)

    def write_report(self, names: Collection[str], command: str, missing: Sequence[str] = ()) -> None:
        """Writes the report of finished stages.

        Args:
            missing: sentences on the seeds that are not there.
        """
        started = time.perf_counter()
        if told := self._environment(names):  # which stages of older versions do not tell
            write_json(self.workdir / "environment.json", told)
        report.write(self._report(names, command, missing), self.workdir, self._sources.console)
        seconds = time.perf_counter() - started
        for line in (*missing, f"report: {self.workdir / 'report' / 'report.html'} ({seconds:.1f} s)"):
            self._sources.console.print(line, highlight=False)

    def _data_of(self, names: Sequence[str]) -> list[Data]:
        """What these stages read, and the stages that they need."""
        stages = [self.experiment.stages[name] for name in names]
        stages += [self.experiment.stages[needed] for stage in stages for needed in stage.needs()]
        return [stage.data for stage in stages]

    def _make(self, name: str) -> None:
        config, console = self.experiment.stages[name], self._sources.console
        started = time.perf_counter()
        examples = self._sources.examples(config.data, self.extracted)
        prepare_s = time.perf_counter() - started
        data.check_found(name, config, examples)
        stage = self.stage_run(name, examples)
        folder = stage.folder
        needed = [_yields(stage, other) for other in config.needs()]
        fingerprint, lasting = (
            self._fingerprint(config, seeds, examples, needed) for seeds in (self.seeds_behind(name), None)
        )
        if config.grows():
            fingerprint = lasting
        seeds = stage.seeds.compact()
        before = stage.record
        is_alike = before.get("fingerprint") == fingerprint
        if is_alike and before.get("status") == "finished" and before.get("seeds") == seeds:
            changed = record.changed(folder, before)
            if not changed:
                console.print(f"{name}: finished before")
                return
            console.print(f"{name}: {', '.join(changed)}: not as the stage left it; its results are made again")
        self._claim.take()
        if is_alike:
            stage.remember(status="running", seeds=seeds)
        else:
            if told := loss(name, before, stage.seeds):
                console.print(told, highlight=False)
            (folder / "stage.json").unlink(missing_ok=True)  # first: a kill must not leave it beside half of the rest
            if folder.exists():
                shutil.rmtree(folder)
            stage.remember(
                status="running",
                fingerprint=fingerprint,
                lasting=lasting,
                behind=self.seeds_behind(name).compact(),
                seeds=seeds,
                synthetic=examples.synthetic,
                padding_waste=examples.padding_waste,
                data=data.described(config, examples),
                classes=examples.classes,
                prepare_s=prepare_s,
            )
        stage.remember(environment=environment())
        self.before(stage)
        pkgutil.resolve_name(self.runner(config))(config, stage)
        stage.remember(**record.seal(folder))
        console.print(f"{name}: finished in {time.perf_counter() - started:.1f} s")

    def _fingerprint(self, config: StageConfig, seeds: Seeds | None, examples: Examples, needed: Sequence[str]) -> str:
        """A digest of what a stage's results depend on: not of how they are laid on devices, saved, or shown.

        Args:
            seeds: None where it is not to depend on which seeds there are, only on what differs between them.
        """
        told = (self.experiment.seeds if seeds is None else seeds).compact()
        if seeds is None:
            told = {name: value for name, value in told.items() if name not in Seeds.EXTENT}
        whole = {
            "config": config.results(self.experiment.stages),
            "seeds": told,
            "features": examples.fingerprints,
            "needs": list(needed),
        }
        if config.files():
            whole["files"] = digest_files(config.files())
        return hashlib.blake2b(json.dumps(whole, sort_keys=True).encode(), digest_size=16).hexdigest()

    def _environment(self, names: Iterable[str]) -> dict[str, str]:
        """What the stages were made with, by their records, which are sealed."""
        return record.merged(record.read(self.workdir / "stages" / name).get("environment", {}) for name in names)

    def _report(self, names: Collection[str], command: str, missing: Sequence[str]) -> report.Report:
        stages = {name: stage for name, stage in self.experiment.stages.items() if name in names}
        records = {name: record.read(self.workdir / "stages" / name) for name in stages}
        sections = list(dict.fromkeys(stage.section for stage in stages.values()))
        in_order = sorted(stages.items(), key=lambda item: sections.index(item[1].section))
        finished = [(stage, Finished(name, self.experiment.stages, records)) for name, stage in in_order]
        return report.Report(
            title=self.experiment.title,
            description=self.experiment.description,
            system=self.experiment.system,
            rows=tuple(row for stage, of_stage in finished for row in stage.table_rows(of_stage)),
            synthetic=any(one["synthetic"] for one in records.values()),
            environment=read_json(self.workdir / "environment.json") or {},
            command=command,
            config=self.experiment.as_dict(),
            source=self.experiment.source,
            exhibits=tuple(one for stage, of_stage in finished for one in stage.exhibits(of_stage)),
            data=data.paragraphs(stages, records),
            missing=tuple(missing),
        )


def _yields(stage: StageRun, needed: str) -> str:
    """What other stages that need this one depend on: on all of it, unless its runner says of what they do; and on its
    seeds, where it has others than they."""
    other = stage.other(needed)
    found = str(other.record.get("yields", other.record["fingerprint"]))
    is_joined = not stage.stages[stage.name].trainer and other.seeds != stage.seeds
    return f"{found} over {other.seeds.told}" if is_joined else found
