"""Rows in sections: a table a section, nothing compared across them, and pages that stay small."""

import dataclasses
import io
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from rich.console import Console

from input_pipeline.config import ConfigError
from jaxdep import report
from jaxdep.config.rows import Row
from jaxdep.report import Report, scores, table

HEADINGS = ("Table 2. <Emotion> features", "Table 3. Modalities")


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
    """Two seeds of four models, each of which errs in another way."""
    for number in range(4):
        folder = tmp_path / "stages" / f"model{number}"
        folder.mkdir(parents=True)
        rows = [
            (seed, "dev", e, e, "yes" if e % 2 else "no", "yes" if (e + seed) % (number + 2) else "no")
            for seed in (0, 1)
            for e in range(6)
        ]
        columns = ["seed", "split", "example", "participant", "target", "prediction"]
        pd.DataFrame(rows, columns=columns).to_csv(folder / "predictions.csv", index=False)
    return tmp_path


def rows(*sections: str) -> tuple[Row, ...]:
    return tuple(
        Row(f"model{number}", f"Row {number}", "dev", ("f1",), "yes", ("no", "yes"), section=section)
        for number, section in enumerate(sections)
    )


def make(*sections: str) -> Report:
    return Report("All tables", "", "emotion_transfer", rows(*sections), False, {}, "command", {}, "")


def write(spec: Report, workdir: Path) -> tuple[Path, str]:
    console = Console(file=io.StringIO(), width=100)
    report.write(spec, workdir, console)
    return workdir / "report", console.file.getvalue()  # type: ignore[attr-defined]


def test_each_section_is_a_table_under_its_heading_and_the_csv_keeps_its_columns(workdir: Path) -> None:
    first, second = HEADINGS
    folder, terminal = write(make(first, first, second, second), workdir)
    page, markdown = (folder / "report.html").read_text(), (folder / "report.md").read_text()
    assert page.count('<table class="results">') == 2
    results = page[page.index('id="results"') : page.index('id="figures"')]
    assert results.index("Table 2. &lt;Emotion&gt; features") < results.index("Row 1") < results.index("Row 2")
    assert markdown.count("| Row | Split | Metric |") == 2
    assert markdown.index("### Table 3. Modalities") < markdown.index("| Row 2 |")
    assert terminal.index(first) < terminal.index("Row 1") < terminal.index(second) < terminal.index("Row 2")
    assert terminal.count("MAX, AVG, STD: over the seeds") == 1
    assert list(pd.read_csv(folder / "table.csv").columns) == list(table.COLUMNS)
    assert {path.name for path in (folder / "figures").iterdir()} == {
        "distribution_s01_dev_f1.png", "distribution_s02_dev_f1.png", "confusion_s01.png", "confusion_s02.png",
    }  # fmt: skip


def test_rows_of_a_section_with_the_same_note_share_an_entry(workdir: Path) -> None:
    first, second = HEADINGS
    told = [dataclasses.replace(row, selected_on="validation") for row in rows(first, first, first, second)]
    told[1] = dataclasses.replace(told[1], note="Without silence.")
    found = table.notes(make(), [scores.read(row, workdir) for row in told])
    assert found == [
        ("Row 0; Row 2 (dev)", "Epoch chosen on validation."),
        ("Row 1 (dev)", "Without silence. Epoch chosen on validation."),
        ("Row 3 (dev)", "Epoch chosen on validation."),
    ]


def test_rows_are_compared_within_their_section_only(workdir: Path) -> None:
    scored = [scores.read(row, workdir) for row in rows(HEADINGS[0], HEADINGS[0], HEADINGS[0], HEADINGS[1])]
    (duel,) = table.duels(scored)
    assert (duel.section, duel.labels) == (HEADINGS[0], ("Row 0", "Row 1", "Row 2"))
    alike = [dataclasses.replace(row, row=dataclasses.replace(row.row, section="")) for row in scored]
    (duel,) = table.duels(alike)
    assert (duel.section, duel.labels) == ("", ("Row 0", "Row 1", "Row 2", "Row 3"))


def test_rows_of_different_targets_are_not_compared(workdir: Path) -> None:
    """An error of valence says nothing against one of activation, though both are an MAE in one table."""
    found = [scores.read(row, workdir) for row in rows(*[HEADINGS[0]] * 4)]
    targets = ("valence", "activation", "valence", "emotion")
    scored = [
        dataclasses.replace(row, row=dataclasses.replace(row.row, target=target))
        for row, target in zip(found, targets, strict=True)
    ]
    duels = [(duel.target, duel.labels) for duel in table.duels(scored)]
    assert duels == [("valence", ("Row 0", "Row 2"))]


@pytest.mark.slow
def test_the_figures_of_sections_take_less_room_and_look_the_same(workdir: Path) -> None:
    folder, _ = write(make("", "", "", ""), workdir)
    alone = folder / "figures" / "distribution_dev_f1.png"
    with Image.open(alone) as image:
        size, true_colours, pixels = alone.stat().st_size, image.mode, image.convert("RGB")
    folder, _ = write(make(*(HEADINGS[:1] * 4)), workdir)
    path = folder / "figures" / "distribution_s01_dev_f1.png"
    with Image.open(path) as image:
        assert (true_colours, image.mode) == ("RGBA", "P")
        assert path.stat().st_size < size / 2 + 2000  # the heading is longer
        assert image.convert("RGB").getpixel((2, image.height - 2)) == pixels.getpixel((2, pixels.height - 2))


def test_of_a_row_with_both_splits_the_figures_are_the_tests(workdir: Path) -> None:
    spec = make(*HEADINGS)
    for number, splits in enumerate((("validation", "test"), ("validation",))):
        path = workdir / "stages" / f"model{number}" / "predictions.csv"
        frame = pd.read_csv(path)
        pd.concat([frame.assign(split=split) for split in splits]).to_csv(path, index=False)
    both, one = spec.rows
    scored = (*(dataclasses.replace(both, split=split) for split in ("validation", "test")),)
    scored = (*scored, dataclasses.replace(one, split="validation"))
    folder, _ = write(dataclasses.replace(spec, rows=scored), workdir)
    assert pd.read_csv(folder / "table.csv").groupby("row")["split"].unique().map(list).to_dict() == {
        "Row 0": ["validation", "test"], "Row 1": ["validation"],
    }  # fmt: skip
    assert {path.name for path in (folder / "figures").glob("distribution*")} == {
        "distribution_s01_test_f1.png", "distribution_s02_validation_f1.png",
    }  # fmt: skip


def test_a_section_that_stands_there_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"rows: those of section 'Table 3\. Modalities' do not stand together"):
        make(HEADINGS[1], HEADINGS[0], HEADINGS[1])
