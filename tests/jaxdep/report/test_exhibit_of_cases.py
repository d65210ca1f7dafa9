"""Cases of two detectors on the page: what is told of all recordings, small pictures, hostile words, broken files."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from input_pipeline.errors import DataError
from jaxdep import report
from jaxdep.config.rows import Exhibit
from jaxdep.config.stages.cases import CASES
from jaxdep.report import Report, exhibits
from jaxdep.report.exhibits import cases
from jaxdep.statistics.stability import pooled_mean

HOSTILE = '<script>alert("x")</script> {{ 7*7 }} | [b]'
LINES = [  # from `recording` to `lacks`; the rest is the same in every line
    ("r0", "p0", "sad", 20, 20, "sad", 5, 20, "glad", "gap", HOSTILE, "case_000.jpg", ""),
    ("r1", "p0", "sad", 20, 20, "sad", 10, 10, "sad", "", "", "", ""),
    ("r2", "p1", "glad", 0, 20, HOSTILE, 2, 20, "calm", "missed", "word " * 100, "", "no picture: broken-image"),
    ("r3", "p2", "glad", 10, 20, "glad", 20, 20, "glad", "", "", "", ""),
    ("r4", "p3", "calm", 20, 20, "calm", 0, 20, "glad", "gap", "", "", "no picture"),
]


def picture() -> bytes:
    found = io.BytesIO()
    Image.new("RGB", (24, 16), "blue").save(found, "JPEG")
    return found.getvalue()


def write(workdir: Path, lines: list[tuple[object, ...]]) -> Path:
    folder = workdir / "stages" / "cases"
    folder.mkdir(parents=True, exist_ok=True)
    quoted = [
        ",".join('"' + str(x).replace('"', '""') + '"' for x in ("Both", "Single", "mood", "test", *line))
        for line in lines
    ]
    (folder / CASES.name).write_text("\n".join([",".join(CASES.columns), *quoted]) + "\n")
    (folder / "case_000.jpg").write_bytes(picture())
    return folder


def make() -> Report:
    shown = (Exhibit("cases", "cases", "Cases of mood"),)
    return Report("Cases", "", "amm", (), True, {}, "command", {}, "", exhibits=shown)


def parts(workdir: Path) -> tuple[exhibits.Part, ...]:
    (shown,) = exhibits.show(make(), workdir)
    return shown.parts


def test_all_recordings_are_told_of_beside_the_cases(tmp_path: Path) -> None:
    write(tmp_path, LINES)
    whole, gap, missed = parts(tmp_path)
    assert whole.title == "All 5 recordings of test, mood"
    leaning, averaged = whole.sentences
    assert leaning.startswith(
        'Of 2 recordings "Both" is right by a larger share of its seeds, of 2 "Single", and 1 are '
    )
    assert 'The largest difference is 1.00 for "Both" and 0.50 for "Single": the cases below are the ends' in leaning
    assert averaged == (
        "Mean difference over all recordings: +0.230; of fewer than 10 participants there is no interval."
    )
    assert len(whole.drawings) == 1
    assert gap.title == 'More often right by "Both" than by "Single"'
    (grid,) = gap.grids
    assert grid.headings == ("Picture", "Words", "Recording", "Target", "Both", "Single", "Difference")
    assert [row[2] for row in grid.body] == ["r4", "r0"]  # by the difference, not in the file's order
    assert grid.body[1][3:] == ("sad", "sad (20 of 20 right)", "glad (5 of 20 right)", "+0.75")
    assert missed.grids[0].body[0][0] == "no picture: broken-image"
    words = str(missed.grids[0].body[0][1])
    assert words.endswith("word …")
    assert len(words) <= cases.LONGEST + 2


def test_the_interval_is_over_participants(tmp_path: Path) -> None:
    """Of 12 who are each right once in either way, and of 12 of whom one detector is always the better one."""
    tied = [
        (f"r{k}", f"p{k}", "a", 20 * (k % 2), 20, "a", 20 * (1 - k % 2), 20, "a", "", "", "", "") for k in range(12)
    ]
    write(tmp_path, [*tied])
    sentence = parts(tmp_path)[0].sentences[1]
    signs = np.array([1.0 if k % 2 else -1.0 for k in range(12)])
    _, low, high = pooled_mean(signs, np.ones(12))
    assert (
        f"95 % interval over 12 participants, the seeds as they are, {low:.3f} to {high:.3f}; it holds 0." in sentence
    )
    write(tmp_path, [(*line[:3], 20, *line[4:6], 15, *line[7:]) for line in tied])
    sentence = parts(tmp_path)[0].sentences[1]
    assert sentence == (
        "Mean difference over all recordings: +0.250, 95 % interval over 12 participants, the seeds as they are, "
        "0.250 to 0.250; it excludes 0."
    )


def test_what_is_left_out_is_told_with_the_field_that_shows_it(tmp_path: Path) -> None:
    write(tmp_path, [(*line[:10], "", "", "") for line in LINES])
    whole, gap, _ = parts(tmp_path)
    assert whole.sentences[2:] == (
        "The words are left out; --config.stages.cases.words=True shows them.",
        "The pictures are left out; --config.stages.cases.pictures=True shows them.",
    )
    assert gap.grids[0].headings == ("Recording", "Target", "Both", "Single", "Difference")


def test_no_case_of_a_kind_is_told(tmp_path: Path) -> None:
    write(tmp_path, [line for line in LINES if line[9] != "missed"])
    _, gap, missed = parts(tmp_path)
    assert gap.grids
    assert (missed.sentences, missed.grids) == (("There is no such recording.",), ())


def test_the_page_holds_the_pictures_and_no_markup_of_the_words(tmp_path: Path) -> None:
    write(tmp_path, LINES)
    report.write(make(), tmp_path, Console(file=io.StringIO()))
    page, markdown = ((tmp_path / "report" / name).read_text() for name in ("report.html", "report.md"))
    (encoded,) = re.findall(r'<img src="data:image/jpeg;base64,([^"]*)" alt="picture of r0">', page)
    assert base64.b64decode(encoded) == picture()
    with Image.open(io.BytesIO(base64.b64decode(encoded))) as image:
        assert image.size == (24, 16)
    assert "<script>" not in page + markdown
    assert "&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt; {{ 7*7 }} | [b]" in page
    assert "| picture of r0 | &lt;script&gt;" in markdown


@pytest.mark.parametrize(
    ("line", "column", "value", "words"),
    [
        (0, 3, 21, ("line 2", "right", "'21'", "more than the seeds")),
        (0, 3, "all", ("line 2", "right", "'all'", "not a number")),
        (1, 7, 0, ("line 3", "seeds_against", "no number of seeds")),
        (1, 9, "best", ("line 3", "chosen", "'best'", "none of gap, missed")),
        (1, 0, "r0", ("line 3", "recording", "twice")),
        (2, 11, "../../secret.jpg", ("line 4", "picture", "not the small copy of this line")),
        (2, 11, "case_000.jpg", ("line 4", "picture", "not the small copy of this line")),
    ],
)
def test_a_wrong_file_is_one_line(
    tmp_path: Path, line: int, column: int, value: object, words: tuple[str, ...]
) -> None:
    lines = [list(one) for one in LINES]
    lines[line][column] = value
    write(tmp_path, [tuple(one) for one in lines])
    with pytest.raises(DataError) as error:
        parts(tmp_path)
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_a_picture_that_is_gone_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path, LINES)
    (folder / "case_000.jpg").unlink()
    with pytest.raises(DataError, match=r"case_000\.jpg: cannot be read .*; run the stage again"):
        parts(tmp_path)
