"""CONTRIBUTING.md's worked example: its two files, taken from the page, train and end with a report."""

import re
from pathlib import Path

import pandas as pd
import pytest

import jaxdep.models

pytestmark = pytest.mark.slow  # a whole run

PAGE = Path(__file__).parents[3] / "CONTRIBUTING.md"
FILE = re.compile(r"`(?P<path>[\w/]+\.py)`:\n\n```python\n(?P<text>.*?)```", re.DOTALL)
COMMAND = re.compile(r"^    python -m jaxdep.main (.*toy.*)$", re.MULTILINE)


def test_the_worked_example_trains(tmp_path, monkeypatch, jaxdep_main):
    page = PAGE.read_text()
    files = {match["path"]: match["text"] for match in FILE.finditer(page)}
    assert set(files) == {"jaxdep/models/toy.py", "configs/toy/table1.py"}
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(text)
    monkeypatch.setattr(jaxdep.models, "__path__", [*jaxdep.models.__path__, str(tmp_path / "jaxdep/models")])
    ended = jaxdep_main(*COMMAND.findall(page)[-1].split(), cwd=tmp_path)
    assert ended.code == 0, ended.err
    table = pd.read_csv(tmp_path / "runs/toy/report/table.csv")
    row = table[(table["row"] == "Mean sentence") & (table["metric"] == "unweighted_accuracy")].iloc[0]
    assert row["n_seeds"] == 5
    assert row["avg"] > 0.5
    assert "Mean sentence" in (tmp_path / "runs/toy/report/report.html").read_text()
