"""Defaults stand in no fingerprint: one that changes must raise its class's `version`, or old results would be kept.

`python -m tests.jaxdep.test_defaults` writes the golden file anew.
"""

import importlib
import json
import pkgutil
import sys
from pathlib import Path

import input_pipeline.features
import jaxdep.config
import jaxdep.models
from input_pipeline.config import Config, defaults, plain

GOLDEN = Path(__file__).parent / "golden" / "defaults.json"
PACKAGES = (jaxdep.config, jaxdep.models, input_pipeline.features)


def kinds_of_config() -> list[type[Config]]:
    """Every config class that is shipped: stages, settings, models, features and their arrangement."""
    walked = [package.__name__ for package in PACKAGES]
    for package in PACKAGES:
        walked += [module.name for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")]
    for name in walked:
        importlib.import_module(name)
    found = [Config]
    for kind in found:
        found += kind.__subclasses__()
    # Not by the module's name alone: other tests make classes in modules that they call jaxdep.something.
    shipped = {name for name in sys.modules if name in walked or name.startswith("input_pipeline.")}
    ours = {kind for kind in found[1:] if kind.__module__ in shipped}
    return sorted(ours, key=lambda kind: kind.__name__)


def compact(value):
    return value.compact() if isinstance(value, Config) else plain(value)


def as_it_stands(kind: type[Config]) -> dict:
    found = {name: compact(value) for name, value in defaults(kind).items()}
    return {"version": getattr(kind, "version", 1), "defaults": found}


def complaints(kind: type[Config], golden: dict) -> list[str]:
    """What is to be done about a class that is no longer what the golden file has."""
    now, file = as_it_stands(kind), f"{GOLDEN.parent.name}/{GOLDEN.name}"
    if kind.__name__ not in golden:
        return [f"{kind.__name__}: add it to {file}"]
    then = golden[kind.__name__]
    changed = [
        f"{kind.__name__}.{name}: its default was {then['defaults'][name]!r}, now it is {value!r}"
        for name, value in now["defaults"].items()
        if name in then["defaults"] and then["defaults"][name] != value
    ]
    if changed and now["version"] <= then["version"]:
        return [f"{line}; raise {kind.__name__}.version, and update {file}" for line in changed]
    return [] if now == then else [f"{kind.__name__}: it has other fields, defaults or version now; update {file}"]


def test_a_default_that_changes_raises_the_version_of_its_class():
    golden = json.loads(GOLDEN.read_text())
    kinds = kinds_of_config()
    found = [line for kind in kinds for line in complaints(kind, golden)]
    assert not found, "\n".join(found)
    assert {kind.__name__ for kind in kinds} == set(golden)  # none left behind, and no two of one name
    assert len(kinds) == len(golden)


def test_the_line_says_what_to_do(monkeypatch):
    golden = json.loads(GOLDEN.read_text())
    golden["Seeds"]["defaults"]["count"] = 19
    (line,) = complaints(jaxdep.config.Seeds, golden)
    assert line.startswith("Seeds.count: its default was 19, now it is 20; raise Seeds.version")
    monkeypatch.setattr(jaxdep.config.Seeds, "version", 2)
    (line,) = complaints(jaxdep.config.Seeds, golden)
    assert line == "Seeds: it has other fields, defaults or version now; update golden/defaults.json"
    del golden["Task"]["defaults"]["weight"]
    (line,) = complaints(jaxdep.config.Task, golden)
    assert line == "Task: it has other fields, defaults or version now; update golden/defaults.json"


if __name__ == "__main__":
    values = {kind.__name__: as_it_stands(kind) for kind in kinds_of_config()}
    GOLDEN.write_text(json.dumps(values, indent=2) + "\n")
