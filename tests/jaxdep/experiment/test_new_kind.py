"""A kind of stage and a kind of exhibit that the library does not know: a class, an object, and a line for each."""

import dataclasses
import io
import json
import sys
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from input_pipeline.batching import Arrangement
from input_pipeline.config import ConfigError
from input_pipeline.errors import DataError
from input_pipeline.features import LogMel
from jaxdep import config
from jaxdep.config.rows import CsvFile
from jaxdep.config.stages.base import ScoredStage
from jaxdep.experiment.run import run as run_experiment
from jaxdep.losses import Huber
from jaxdep.report import exhibits
from jaxdep.report.exhibits.parts import ExhibitKind, Grid, Part, read_rows

FLIPS = CsvFile("flips.csv", ("seed", "heads"))


@dataclasses.dataclass
class CoinStage(ScoredStage):
    """Decides by the flip of a coin, which falls on heads with this probability."""

    runner: ClassVar[str] = f"{__name__}:flip"

    heads: float = 0.5

    def check_labels(self, labels):
        super().check_labels(labels)
        if len(labels.classes_of(self.task)) != 2:
            raise ConfigError(f"tasks: a coin has two sides, {self.task!r} has {len(labels.classes_of(self.task))}")

    def exhibits(self, finished):
        return [self.exhibit("flips", finished)]


def flip(stage_config, stage):
    rows, flips = [], []
    for seed in stage.seeds.ids:
        groups = np.flatnonzero(stage.examples.splits[stage.examples.first_rows] == "test")
        heads = np.random.default_rng(seed).random(len(groups)) < stage_config.heads
        rows.append(stage.predictions(stage_config.task, "test", seed, groups, np.eye(2)[heads.astype(int)]))
        flips.append((seed, int(heads.sum())))
    stage.write_csv("predictions.csv", pd.concat(rows))
    stage.write_csv(FLIPS.name, pd.DataFrame(flips, columns=list(FLIPS.columns)))
    stage.remember(diverged=[], remark="A coin was flipped.")


def parts(folder, draw):
    frame = read_rows(folder / FLIPS.name, FLIPS.columns, ("seed",))
    return (Part("", ("How often heads fell.",), (), (Grid(("Seed", "heads"), tuple(map(tuple, frame.values)), 1),)),)


FLIPS_EXHIBIT = ExhibitKind("flips", (FLIPS,), parts)


class SmallSources:
    """A set of examples made in memory stands for every corpus."""

    def __init__(self, examples):
        self.console, self.prepared = Console(file=io.StringIO()), 0
        self._examples = examples

    def check(self, data):
        return None

    def left_out(self, data, stages):
        return ()

    def prepare(self, data):
        self.prepared += 1

    def examples(self, data, stages):
        return self._examples

    def forget_all_but(self, needed, stages):
        pass


def coin(**options):
    data = config.Data(features={"audio": LogMel()}, arrangements={"audio": Arrangement()})
    row = {"data": data, "tasks": {"depressed": config.Task()}, "metrics": ("accuracy", "f1")}
    stages = {
        "majority": config.BaselineStage(label="Majority", **row),
        "coin": CoinStage(**({"label": "Coin", "section": ""} | row | options)),
    }
    return config.Experiment(name="coin", title="Coins", seeds=config.Seeds(count=3), stages=stages).freeze()


def run(frozen, workdir: Path, sources: SmallSources, **options) -> str:
    run_experiment(frozen, workdir, sources, command="command", **options)
    return sources.console.file.getvalue()


@pytest.fixture
def sources(make_examples, monkeypatch):
    monkeypatch.setitem(exhibits.KINDS, FLIPS_EXHIBIT.kind, FLIPS_EXHIBIT)  # the line of registration
    return SmallSources(make_examples(24))


def test_a_new_kind_of_stage_has_its_row_and_its_exhibit_on_the_page(sources, tmp_path):
    run(coin(), tmp_path, sources)
    table = pd.read_csv(tmp_path / "report/table.csv")
    row = table[(table["row"] == "Coin") & (table["metric"] == "accuracy")].iloc[0]
    decided = pd.read_csv(tmp_path / "stages/coin/predictions.csv")
    right = (decided["target"] == decided["prediction"]).groupby(decided["seed"]).mean()
    assert row["n_seeds"] == 3
    assert row["avg"] == pytest.approx(right.mean(), abs=5e-4)
    page = (tmp_path / "report/report.html").read_text()
    assert "<h3>Coin</h3>\n<p>A coin was flipped.</p>" in page
    assert "How often heads fell." in page
    assert "finished before" in run(coin(), tmp_path, sources)


def test_a_new_kind_is_asked_what_changes_its_results(sources, tmp_path):
    run(coin(), tmp_path, sources)
    told = run(coin(heads=0.9, label="Bent coin"), tmp_path, sources, overwrite=True)
    assert told.count("coin: finished in") == 2
    told = run(coin(heads=0.9, note="Only shown."), tmp_path, sources, overwrite=True)
    assert told.count("coin: finished in") == 2


def test_a_raised_version_runs_the_kind_again_and_no_other(sources, tmp_path, monkeypatch):
    run(coin(), tmp_path, sources)
    monkeypatch.setattr(CoinStage, "version", 2)
    told = run(coin(), tmp_path, sources)
    assert told.count("coin: finished in") == 2
    assert told.count("majority: finished in") == 1


def test_what_a_new_kind_refuses_is_told_before_anything_is_prepared(sources, tmp_path):
    with pytest.raises(
        ConfigError, match=r"^config\.stages\.coin\.metrics: no metric 'f2' for 'depressed'; did you mean"
    ):
        run(coin(metrics=("f2",)), tmp_path / "w", sources)
    with pytest.raises(ConfigError, match=r"^config\.stages\.coin\.tasks: a coin has two sides, 'phq8_score' has 0"):
        run(coin(tasks={"phq8_score": config.Task(loss=Huber())}, metrics=("mae",)), tmp_path / "w", sources)
    assert sources.prepared == 0
    assert not (tmp_path / "w").exists()


def test_a_corpus_that_cannot_be_read_leaves_the_workdir_to_nobody_or_to_whom_it_was(sources, tmp_path, monkeypatch):
    def refuse(data):
        raise DataError("the corpus is broken")

    with monkeypatch.context() as patch:
        patch.setattr(sources, "prepare", refuse)
        with pytest.raises(DataError, match="broken"):
            run(coin(), tmp_path / "w", sources)
        assert not (tmp_path / "w").exists()
    run(coin(), tmp_path / "w", sources)
    before = (tmp_path / "w/config.json").read_bytes()
    with pytest.raises(
        ConfigError, match=r"w holds another config \(config\.stages\.coin\.heads: 0\.5 there, 0\.9 now\)"
    ):
        run(coin(heads=0.9), tmp_path / "w", sources)
    monkeypatch.setattr(sources, "prepare", refuse)
    with pytest.raises(DataError, match="broken"):
        run(coin(heads=0.9), tmp_path / "w", sources, overwrite=True)
    assert (tmp_path / "w/config.json").read_bytes() == before


def test_the_workdir_is_the_configs_from_the_first_stage_on_that_writes(sources, tmp_path, monkeypatch):
    def fail(stage_config, stage):
        raise DataError("the coin is lost")

    monkeypatch.setattr(sys.modules[__name__], "flip", fail)
    with pytest.raises(DataError, match="lost"):
        run(coin(), tmp_path, sources)
    assert json.loads((tmp_path / "config.json").read_text()) == coin().as_dict()
    assert (tmp_path / "stages/majority/predictions.csv").exists()
