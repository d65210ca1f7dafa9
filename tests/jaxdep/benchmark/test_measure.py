"""Candidates are timed in turn, and the table says what was measured."""

import dataclasses
import math
from functools import partial

import matplotlib.image
import pandas as pd
import pytest
from rich.console import Console

from jaxdep.benchmark import measure, report
from jaxdep.benchmark.measure import Timed


def test_candidates_take_turns_of_one_untimed_call_and_timed_ones(monkeypatch):
    called, clock = [], [0.0]

    def call(name, takes_s):
        called.append(name)
        clock[0] += takes_s

    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
    takes_s = {"a": 0.7, "b": 5.0, "c": 0.9}
    candidates = {name: partial(call, name, seconds) for name, seconds in takes_s.items()}
    timed = measure.in_turn(candidates, rounds=3, at_least_s=1.0)
    assert "".join(called) == "abc" + "aaabbbccc" + "bbbcccaaa" + "cccaaabbb"
    for name, seconds in timed.seconds.items():
        assert seconds == pytest.approx([takes_s[name]] * 3)


def test_medians_and_ratios_by_round():
    timed = Timed({"ours": (1.0, 2.0, 1.0), "peer": (3.0, 3.0, 5.0)})
    assert timed.median("ours") == 1.0
    assert timed.ratio("peer", "ours") == 3.0  # of 3, 1.5 and 5: not the ratio of the medians by chance alone
    assert Timed({"ours": (1.0, 2.0), "peer": (4.0, 2.0)}).ratio("peer", "ours") == 2.5


@pytest.fixture
def rows():
    def row(system, seeds, step_s, overhead=None):
        times = {"jaxdep": step_s, "loop": 3 * step_s, "threads": 2 * step_s}
        return report.Row(
            system=system, seeds=seeds, mapper="map", step_s=times, ratios={"loop": 3.0, "threads": 2.0},
            compile_s=1.5, memory_bytes=2_000_000_000, step_flops=5e9, ceiling=1e11, overhead=overhead,
        )  # fmt: skip

    return [row("one", 1, 0.1), row("one", 20, 1.0), row("two", 1, 0.2)]


def test_a_way_of_the_peer_that_did_not_fit_is_left_out(rows, tmp_path):
    times = {"jaxdep": 0.1, "loop": 0.4}
    rows.append(dataclasses.replace(rows[0], seeds=1000, step_s=times, ratios={"loop": 4.0}, memory_bytes=None))
    rows.append(dataclasses.replace(rows[0], seeds=2000, step_s={"jaxdep": 0.2}, ratios={}))
    console = Console(record=True, width=120)
    report.show(rows, {}, console)
    assert "nan" in console.export_text()
    report.write(rows, {}, tmp_path)
    frame = pd.read_csv(tmp_path / "benchmark.csv")
    assert frame["torch_best_ratio"].tolist()[:4] == [2.0, 2.0, 2.0, 4.0]
    assert frame["torch_threads_step_s"].isna().tolist() == [False, False, False, True, True]


def test_columns_of_the_csv(rows):
    frame = report.frame(rows)
    second = frame.iloc[1]
    assert second["seed_steps_per_s"] == 20
    assert second["memory_gb"] == 2
    assert math.isclose(second["ceiling_share"], 5e9 * 20 / 1.0 / 1e11)
    assert second["torch_best_ratio"] == 2.0
    assert "loop_overhead" not in frame


def test_table_and_files(rows, tmp_path):
    console = Console(record=True, width=120)
    report.show(rows, {"jax": "1.2.3", "devices": "2 x cpu"}, console)
    text = console.export_text()
    for cell in ("one", "20", "map", "ratio", "2.00", "jax 1.2.3", "a thread a core"):
        assert cell in text
    report.write(rows, {"jax": "1.2.3"}, tmp_path / "new")
    assert len(pd.read_csv(tmp_path / "new" / "benchmark.csv")) == 3
    assert matplotlib.image.imread(tmp_path / "new" / "benchmark.png").std() > 0
    assert '"date"' in (tmp_path / "new" / "environment.json").read_text()
