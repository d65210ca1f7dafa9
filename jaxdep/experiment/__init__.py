"""Runs the stages of an experiment in order inside a workdir, and makes its report. A finished stage is not run twice."""

import dataclasses
import difflib
import hashlib
import importlib.metadata
import json
import platform
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from input_pipeline.batching import Examples
from input_pipeline.config import ConfigError
from jaxdep import report
from jaxdep.config import (
    AnalyseStage,
    AttentionStage,
    BaselineStage,
    CaseStudyStage,
    Data,
    EvaluateStage,
    Experiment,
    ExtractStage,
    FuseStage,
    ProfileStage,
    ScoredStage,
    StabilityStage,
    StageConfig,
    TrainStage,
)
from jaxdep.engine.choices import Choices
from jaxdep.files import read_json, write_json
from jaxdep.report import Exhibit
from jaxdep.stages import (
    WINDOW_PREDICTIONS,
    StageRun,
    analyse,
    attention,
    baseline,
    evaluate,
    extract,
    fuse,
    predictions_file,
    spread,
    train,
)
from jaxdep.stages.sources import Sources
from jaxdep.statistics import metrics

_SHOWN = ("label", "section", "note", "published", "report")  # fields of a stage that change no result
_DIFFERENCES_SHOWN = 6
RUNNERS: dict[type[StageConfig], Callable[[Any, StageRun], None]] = {
    TrainStage: train.run,
    BaselineStage: baseline.run,
    EvaluateStage: evaluate.run,
    FuseStage: fuse.run,
    ExtractStage: extract.run,
    ProfileStage: analyse.profile,
    CaseStudyStage: analyse.case_study,
    AttentionStage: attention.run,
    StabilityStage: spread.run,
}
_EXHIBITS: dict[type[StageConfig], str] = {
    ProfileStage: "profile",
    CaseStudyStage: "case_study",
    AttentionStage: "attention",
    StabilityStage: "stability",
}
REPORTED_PACKAGES = (
    "jaxdep",
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "numpy",
    "scikit-learn",
    "librosa",
    "tensorflow-datasets",
)


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
        ConfigError: the workdir holds another config; the message shows the difference.
        DataError: the data cannot be used.
    """
    console, config = sources.console, json.loads(json.dumps(experiment.as_dict()))
    _check_claim(workdir, config, overwrite)
    for stage in experiment.stages.values():  # what is wrong with a corpus is told before hours of training
        sources.prepare(stage.data)
    if read_json(workdir / "config.json") != config:
        write_json(workdir / "config.json", config)
    for name in experiment.stages:
        sources.forget_all_but(_data_to_come(name, experiment), workdir / "stages")
        _run_stage(name, experiment, workdir, sources, choices)
    started = time.perf_counter()
    report.write(_report(experiment, workdir, command), workdir, console)
    console.print(
        f"report: {workdir / 'report' / 'report.html'} ({time.perf_counter() - started:.1f} s)", highlight=False
    )


def environment() -> dict[str, str]:
    """What a run depends on besides its config: versions, backend, devices, the code's revision."""
    devices = jax.devices()
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "backend": jax.default_backend(),
        "devices": f"{len(devices)} x {devices[0].device_kind}",
        "revision": _revision(),
        **{name: _version(name) for name in REPORTED_PACKAGES},
    }


def _data_to_come(name: str, experiment: Experiment) -> list[Data]:
    """What this stage and those after it read, also of the stages that they need."""
    names = list(experiment.stages)
    stages = [experiment.stages[one] for one in names[names.index(name) :]]
    stages += [experiment.stages[needed] for stage in stages for needed in stage.needs()]
    return [stage.data for stage in stages]


def _run_stage(name: str, experiment: Experiment, workdir: Path, sources: Sources, choices: Choices | None) -> None:
    config, folder = experiment.stages[name], workdir / "stages" / name
    started = time.perf_counter()
    examples = sources.examples(config.data, folder.parent)
    prepare_s = time.perf_counter() - started
    if isinstance(config, ScoredStage):
        _check_metrics(name, config, examples)
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
    needed = [stage.other(name).record["fingerprint"] for name in config.needs()]
    fingerprint = _fingerprint(config, experiment, examples, needed)
    record = stage.record
    if record.get("fingerprint") != fingerprint:
        (folder / "stage.json").unlink(missing_ok=True)  # first: a kill must not leave it beside half of the rest
        if folder.exists():
            shutil.rmtree(folder)
        stage.remember(
            status="running",
            fingerprint=fingerprint,
            synthetic=examples.synthetic,
            padding_waste=examples.padding_waste,
            classes=examples.classes,
            validated=bool(config.data.splits.validation or config.data.splits.validation_fraction),
            prepare_s=prepare_s,
        )
    elif record.get("status") == "finished":
        sources.console.print(f"{name}: finished before")
        return
    write_json(workdir / "environment.json", environment())
    RUNNERS[type(config)](config, stage)
    stage.remember(status="finished")
    sources.console.print(f"{name}: finished in {time.perf_counter() - started:.1f} s")


def _fingerprint(config: StageConfig, experiment: Experiment, examples: Examples, needed: Sequence[str]) -> str:
    """A digest of what a stage's results depend on: not of how they are laid on devices, saved, or shown."""
    decides_on_reported = isinstance(config, EvaluateStage | FuseStage)
    shown = set(_SHOWN) - ({"report"} if decides_on_reported else set())
    inputs = {name: value for name, value in config.as_dict().items() if name not in shown}
    if "training" in inputs:
        inputs["training"] = inputs["training"] | {"checkpoint_every_s": None}
    if "further" in inputs:
        inputs["further"] = [(row["against"], row["task"]) for row in inputs["further"]]
    # These write the labels of the stages that they read into their results; they are quickly made again.
    if isinstance(config, AnalyseStage | StabilityStage | AttentionStage | FuseStage):
        inputs["labels"] = [experiment.stages[name].label for name in config.needs()]
    whole: dict[str, Any] = {
        "config": inputs,
        "seeds": experiment.seeds.as_dict(),
        "features": examples.fingerprints,
    }
    if needed:
        whole["needs"] = list(needed)
    return hashlib.blake2b(json.dumps(whole, sort_keys=True).encode(), digest_size=16).hexdigest()


def _check_metrics(name: str, config: ScoredStage, examples: Examples) -> None:
    """Raises ConfigError before anything is trained where the report will not know a metric or a label."""
    wanted = [("metrics", next(iter(config.tasks)), config.metrics, config.published)]
    for index, row in enumerate(config.further if isinstance(config, TrainStage) else ()):
        wanted.append((f"further[{index}].metrics", row.against, row.metrics, row.published))
        kinds = [len(examples.classes.get(label, ())) for label in (row.task, row.against)]
        if row.against not in examples.labels or kinds[0] != kinds[1]:
            raise ConfigError(
                f"config.stages.{name}.further[{index}].against: the corpus has no label {row.against!r} with as many "
                f"classes as {row.task!r}; it has {', '.join(sorted(examples.labels))}"
            )
    for field, label, ours, published in wanted:
        known = metrics.names(examples.classes.get(label, ()))
        for metric in (*ours, *(figure.metric for figure in published)):
            if metric not in known:
                near = difflib.get_close_matches(metric, known, n=1, cutoff=0.0)
                raise ConfigError(
                    f"config.stages.{name}.{field}: no metric {metric!r} for {label!r}; did you mean {near[0]!r}?"
                )


def _check_claim(workdir: Path, config: dict[str, Any], overwrite: bool) -> None:
    """Raises ConfigError where the workdir holds another config, which is not to be overwritten."""
    before = read_json(workdir / "config.json")
    if before is not None and before != config and not overwrite:
        lines = [f"{path}: {old!r} there, {new!r} now" for path, old, new in _differences(before, config)]
        if len(lines) > _DIFFERENCES_SHOWN:
            lines = [*lines[:_DIFFERENCES_SHOWN], f"and {len(lines) - _DIFFERENCES_SHOWN} more"]
        raise ConfigError(
            f"{workdir} holds another config ({'; '.join(lines)}); choose another --workdir, or --overwrite it"
        )


def _differences(old: Any, new: Any, path: str = "config") -> list[tuple[str, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [*old, *(key for key in new if key not in old)]
        return [found for key in keys for found in _differences(old.get(key), new.get(key), f"{path}.{key}")]
    return [] if old == new else [(path, old, new)]


def _report(experiment: Experiment, workdir: Path, command: str) -> report.Report:
    records = {name: read_json(workdir / "stages" / name / "stage.json") for name in experiment.stages}
    sections = list(dict.fromkeys(stage.section for stage in experiment.stages.values()))
    in_order = sorted(experiment.stages, key=lambda name: sections.index(experiment.stages[name].section))
    return report.Report(
        title=experiment.title,
        description=experiment.description,
        system=experiment.system,
        rows=tuple(row for name in in_order for row in _rows(name, experiment, records)),
        synthetic=any(record["synthetic"] for record in records.values()),
        environment=read_json(workdir / "environment.json"),
        command=command,
        config=experiment.as_dict(),
        source=experiment.source,
        exhibits=tuple(one for name in in_order for one in _exhibits(name, experiment, records)),
    )


def _exhibits(name: str, experiment: Experiment, records: Mapping[str, dict[str, Any]]) -> list[Exhibit]:
    """What a stage shows besides scores."""
    config, record = experiment.stages[name], records[name]
    kind = _EXHIBITS.get(type(config))
    if isinstance(config, FuseStage) and config.rule == "vote":
        kind = "conflicts"
    if kind is None:
        return []
    note = _note(config, experiment, records, record)
    return [Exhibit(kind=kind, stage=name, title=config.label, section=config.section, note=note)]


def _note(
    config: StageConfig, experiment: Experiment, records: Mapping[str, dict[str, Any]], record: Mapping[str, Any]
) -> str:
    """What must be known of a stage's results: also which seed of which model made its features."""
    made_of = []
    for name in config.needs():
        extraction = experiment.stages[name]
        if isinstance(extraction, ExtractStage):
            made_of.append(f"Features of {experiment.stages[extraction.of].label}, seed {records[name]['seed']}.")
    return " ".join(filter(None, (config.note, *made_of, record.get("remark", ""))))


def _rows(name: str, experiment: Experiment, records: Mapping[str, dict[str, Any]]) -> list[report.Row]:
    """The rows of a stage: its recordings, split by split, and where the config asks for it their windows."""
    config, record = experiment.stages[name], records[name]
    if not isinstance(config, ScoredStage):
        return []
    first = next(iter(config.tasks))

    def of_label(label: str) -> dict[str, Any]:
        classes = tuple(record["classes"].get(label, ()))
        return {"target": label, "classes": classes, "positive": classes[1] if len(classes) == 2 else None}

    row = report.Row(
        stage=name,
        label=config.label,
        section=config.section,
        split="",
        metrics=config.metrics,
        published=config.published,
        note=_note(config, experiment, records, record),
        selected_on="validation" if _is_selected(config, experiment, record) else "",
        baseline=isinstance(config, BaselineStage) and config.kind not in ("svm", "logistic"),
        **of_label(first),
    )
    rows = [row]
    if isinstance(config, TrainStage):
        for other in config.further:
            label = f"{config.label}: {other.label}"
            file = predictions_file(other.against, first)
            changed: dict[str, Any] = {"metrics": other.metrics, "published": other.published, "note": ""}
            rows.append(dataclasses.replace(row, label=label, predictions=file, **changed, **of_label(other.against)))
        if config.score_windows:
            label = f"{config.label}, windows"
            rows.append(dataclasses.replace(row, label=label, predictions=WINDOW_PREDICTIONS, published=(), note=""))
    return [dataclasses.replace(one, split=split) for one in rows for split in config.report]


def _is_selected(config: StageConfig, experiment: Experiment, record: Mapping[str, Any]) -> bool:
    """Whether epochs were chosen on the validation split."""
    if isinstance(config, EvaluateStage | FuseStage):
        return any(_is_selected(experiment.stages[name], experiment, record) for name in config.needs())
    return isinstance(config, TrainStage) and config.training.select == "best" and bool(record["validated"])


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _revision() -> str:
    """The commit of the checkout that the code runs from, or that it is none."""
    folder = Path(__file__).parent
    if shutil.which("git") is None:
        return "git is not installed"
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip() if found.returncode == 0 else "no git checkout"


__all__ = ["RUNNERS", "environment", "run"]
