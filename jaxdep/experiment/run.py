"""Runs the stages of an experiment in order inside a workdir, and makes its report. A finished stage is not run twice.

No kind of stage is known here: each says itself what runs it, what it needs, and what it shows.
"""

import hashlib
import itertools
import json
import pkgutil
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

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
from jaxdep.stages import StageRun, record
from jaxdep.stages.sources import Sources


def run(
    experiment: Experiment,
    workdir: Path,
    sources: Sources,
    *,
    command: str,
    overwrite: bool = False,
    choices: Choices | None = None,
) -> None:
    """Runs what of the experiment is not finished in `workdir`, and writes the report.

    Args:
        experiment: frozen.
        command: the line that makes this run, for the page.
        overwrite: takes a workdir of another config; stages that are the same in both are kept.
        choices: where the mapper `auto` remembers what was quickest; it measures each time without.

    Raises:
        ConfigError: the workdir holds another config; the message shows the difference. Or another process is at work
            in it. Or a stage asks for what its corpus does not have, which is told before anything is computed.
        DataError: the data cannot be used.
    """
    with Claim(workdir, experiment, overwrite=overwrite) as claim:
        data.check(experiment, sources)
        for stage in experiment.stages.values():  # what is wrong with a corpus is told before hours of training
            sources.prepare(stage.data)
        data.warn(experiment, sources, workdir / "stages")
        for name in experiment.stages:
            sources.forget_all_but(_data_to_come(name, experiment), workdir / "stages")
            _run_stage(name, experiment, workdir, claim, sources, choices)
        claim.take()
        if told := _environment(experiment, workdir):  # which stages of older versions do not tell
            write_json(workdir / "environment.json", told)
        _write_report(experiment, workdir, command, sources.console)


def _write_report(experiment: Experiment, workdir: Path, command: str, console: Console) -> None:
    started = time.perf_counter()
    report.write(_report(experiment, workdir, command), workdir, console)
    console.print(
        f"report: {workdir / 'report' / 'report.html'} ({time.perf_counter() - started:.1f} s)", highlight=False
    )


def _data_to_come(name: str, experiment: Experiment) -> list[Data]:
    """What this stage and those after it read, also of the stages that they need."""
    names = list(experiment.stages)
    stages = [experiment.stages[one] for one in names[names.index(name) :]]
    stages += [experiment.stages[needed] for stage in stages for needed in stage.needs()]
    return [stage.data for stage in stages]


def _run_stage(
    name: str, experiment: Experiment, workdir: Path, claim: Claim, sources: Sources, choices: Choices | None
) -> None:
    config, folder = experiment.stages[name], workdir / "stages" / name
    started = time.perf_counter()
    examples = sources.examples(config.data, folder.parent)
    prepare_s = time.perf_counter() - started
    data.check_found(name, config, examples)
    stage = StageRun(
        name,
        folder,
        examples,
        experiment.seeds,
        experiment.mapping,
        sources.console,
        sources,
        experiment.stages,
        choices,
    )
    needed = [_yields(stage.other(name).record) for name in config.needs()]
    fingerprint, lasting = (
        _fingerprint(config, seeds, experiment, examples, needed) for seeds in (experiment.seeds, None)
    )
    if config.grows():
        fingerprint = lasting
    seeds = experiment.seeds.compact()
    before = stage.record
    is_alike = before.get("fingerprint") == fingerprint
    if is_alike and before.get("status") == "finished" and before.get("seeds") == seeds:
        changed = record.changed(folder, before)
        if not changed:
            sources.console.print(f"{name}: finished before")
            return
        sources.console.print(f"{name}: {', '.join(changed)}: not as the stage left it; its results are made again")
    claim.take()
    if is_alike:
        stage.remember(status="running", seeds=seeds)
    else:
        if told := loss(name, before, experiment.seeds):
            sources.console.print(told, highlight=False)
        (folder / "stage.json").unlink(missing_ok=True)  # first: a kill must not leave it beside half of the rest
        if folder.exists():
            shutil.rmtree(folder)
        stage.remember(
            status="running",
            fingerprint=fingerprint,
            lasting=lasting,
            seeds=seeds,
            synthetic=examples.synthetic,
            padding_waste=examples.padding_waste,
            data=data.described(config, examples),
            classes=examples.classes,
            prepare_s=prepare_s,
        )
    stage.remember(environment=environment())
    pkgutil.resolve_name(config.runner)(config, stage)
    stage.remember(**record.seal(folder))
    sources.console.print(f"{name}: finished in {time.perf_counter() - started:.1f} s")


def _yields(record: Mapping[str, Any]) -> str:
    """What other stages that need this one depend on: on all of it, unless its runner says of what they do."""
    return str(record.get("yields", record["fingerprint"]))


def _fingerprint(
    config: StageConfig, seeds: Seeds | None, experiment: Experiment, examples: Examples, needed: Sequence[str]
) -> str:
    """A digest of what a stage's results depend on: not of how they are laid on devices, saved, or shown.

    Args:
        seeds: None where it is not to depend on which seeds there are, only on what differs between them.
    """
    told = experiment.seeds.compact() if seeds is None else seeds.compact()
    if seeds is None:
        told = {name: value for name, value in told.items() if name not in ("first", "count")}
    whole = {
        "config": config.results(experiment.stages),
        "seeds": told,
        "features": examples.fingerprints,
        "needs": list(needed),
    }
    if config.files():
        whole["files"] = digest_files(config.files())
    return hashlib.blake2b(json.dumps(whole, sort_keys=True).encode(), digest_size=16).hexdigest()


def _environment(experiment: Experiment, workdir: Path) -> dict[str, str]:
    """What all stages were made with, by their records, which are sealed: where stages differ, each value once."""
    told = [record.read(workdir / "stages" / name).get("environment", {}) for name in experiment.stages]
    names = dict.fromkeys(itertools.chain.from_iterable(told))
    return {name: "; ".join(dict.fromkeys(one[name] for one in told if name in one)) for name in names}


def _report(experiment: Experiment, workdir: Path, command: str) -> report.Report:
    records = {name: record.read(workdir / "stages" / name) for name in experiment.stages}
    sections = list(dict.fromkeys(stage.section for stage in experiment.stages.values()))
    in_order = sorted(experiment.stages.items(), key=lambda item: sections.index(item[1].section))
    finished = [(stage, Finished(name, experiment.stages, records)) for name, stage in in_order]
    return report.Report(
        title=experiment.title,
        description=experiment.description,
        system=experiment.system,
        rows=tuple(row for stage, of_stage in finished for row in stage.table_rows(of_stage)),
        synthetic=any(one["synthetic"] for one in records.values()),
        environment=read_json(workdir / "environment.json") or {},
        command=command,
        config=experiment.as_dict(),
        source=experiment.source,
        exhibits=tuple(one for stage, of_stage in finished for one in stage.exhibits(of_stage)),
        data=data.paragraphs(experiment, records),
    )
