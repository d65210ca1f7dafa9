"""A planted effect is found, and none is found where none was planted: stand-in, features, seeds and table in one."""

import shutil
from typing import NamedTuple

import pandas as pd
import pytest

pytestmark = pytest.mark.slow  # two stand-ins of 120 sessions

SEEDS = 6
CONFIG = f"""
from input_pipeline.batching import Arrangement
from input_pipeline.features import Sentences
from jaxdep.config import (
    BaselineStage, Data, Experiment, Mapping, Optimizer, Seeds, StandIn, Task, Training, TrainStage,
)
from jaxdep.models.emotion_transfer import DirectText
from jaxdep.config import Published


def get_config(effect):
    row = {{
        "data": Data(
            stand_in=StandIn(sessions=120, effect=float(effect)),
            features={{"text": Sentences(encoder="hashing")}},
            arrangements={{"text": Arrangement(level="segments")}},
            unnormalized=("text",),
        ),
        "tasks": {{"depressed": Task()}},
        "metrics": ("f1", "unweighted_accuracy"),
    }}
    text = TrainStage(
        label="Text",
        published=(Published("f1", max=0.9, avg=0.8, std=0.1, source="Table 1"),),
        model=DirectText(hidden=16),
        optimizer=Optimizer(learning_rate=1e-2),
        training=Training(epochs=12, batch_size=16, epochs_per_call=6),
        **row,
    )
    return Experiment(
        title="Effect",
        system="effect",
        seeds=Seeds(count={SEEDS}),
        mapping=Mapping(mapper="map"),
        stages={{"all_positive": BaselineStage(kind="all_positive", label="All positive", **row), "text": text}},
    )
"""


class Found(NamedTuple):
    """The report of one experiment."""

    table: pd.DataFrame
    markdown: str
    page: str

    def average(self, row: str, metric: str) -> float:
        table = self.table
        (line,) = table[(table["row"] == row) & (table["metric"] == metric) & (table["split"] == "test")].itertuples()
        return line.avg


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("effect")
    (folder / "effect.py").write_text(CONFIG)
    return folder


def report(jaxdep_main, folder, effect: str) -> Found:
    """Runs the experiment on a stand-in with that effect; the stand-in, a quarter of a gigabyte, goes at the end."""
    ended = jaxdep_main(f"--config=effect.py:{effect}", f"--workdir={effect}", "--features_dir=features", cwd=folder)
    shutil.rmtree(folder / "data", ignore_errors=True)
    assert ended.code == 0, ended.err
    written = folder / effect / "report"
    pages = ((written / name).read_text() for name in ("report.md", "report.html"))
    return Found(pd.read_csv(written / "table.csv"), *pages)


@pytest.fixture(scope="module")
def planted(jaxdep_main, folder):
    return report(jaxdep_main, folder, "1.0")


@pytest.fixture(scope="module")
def absent(jaxdep_main, folder):
    return report(jaxdep_main, folder, "0.0")


def test_a_planted_effect_is_found(planted):
    """Unweighted accuracy, because always saying one class has 0.5 of it however many participants are of that class."""
    assert planted.average("Text", "unweighted_accuracy") > 0.65
    assert planted.average("Text", "f1") > planted.average("All positive", "f1")


def test_without_an_effect_nothing_is_found(absent):
    """Of 36 test participants 13 are depressed.

    The recall of a guesser among n participants has a binomial standard deviation of at most sqrt(0.25 / n), and so the
    mean of the recalls among 13 and 23 has one of sqrt(0.25 / 13 + 0.25 / 23) / 2 = 0.087. All seeds are tested on the
    same participants, so their average may scatter as much as one seed does: 0.17 is two standard deviations.
    """
    assert absent.average("Text", "unweighted_accuracy") == pytest.approx(0.5, abs=0.17)


@pytest.mark.parametrize("name", ["planted", "absent"])
def test_the_report_says_that_the_corpus_is_synthetic_and_sets_no_published_figure_beside_it(request, name):
    found = request.getfixturevalue(name)
    assert found.table[["published_max", "published_avg", "published_std"]].isna().all(axis=None)
    assert set(found.table[found.table["row"] == "Text"]["n_seeds"]) == {SEEDS}
    for text in (found.markdown, found.page):
        assert "Synthetic corpus" in text
