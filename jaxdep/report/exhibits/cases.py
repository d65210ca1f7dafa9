"""Cases that one detector decides rightly and another does not, and those that both miss (Zhang et al. 2021, Fig. 3).

Reads `CASES`: a line for each recording with how many seeds of either detector were right; words and a small picture where
a case is chosen and they are to be shown. The cases that are shown are the ends of all: how many recordings lean to either
side, and how far, is told and drawn beside them.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from input_pipeline.errors import DataError
from jaxdep.config.stages.cases import CASES, CHOICES, PICTURE
from jaxdep.report.csv_files import refuse
from jaxdep.report.exhibits.parts import Cell, Draw, ExhibitKind, Grid, Part, Thumbnail, read_rows, within
from jaxdep.report.figures import BLUE
from jaxdep.report.table import interval
from jaxdep.statistics.participants import LEAST
from jaxdep.statistics.stability import pooled_mean

LONGEST = 300  # letters of a case's words on the page
BINS = 21  # of the differences, from -1 to 1, one of them about 0

_NUMBERS = ("right", "seeds", "right_against", "seeds_against")
_CAPTION = (
    'How many recordings have which difference: the share of seeds that are right of "{row}", less that of "{against}".'
)


def parts(folder: Path, draw: Draw) -> tuple[Part, ...]:
    """All recordings as counts and a figure, then a table for each choice. Raises DataError where a file is wrong."""
    frame = read(folder / CASES.name)
    names = {side: frame[side].iloc[0] for side in ("row", "against")}
    title = f"All {len(frame)} recordings of {frame['split'].iloc[0]}, {frame['task'].iloc[0]}"
    drawing = draw(figure(frame), "", title, _CAPTION.format(**names))
    found = [Part(title, (leaning(frame), averaged(frame), *_left_out(folder, frame)), (drawing,), ())]
    for choice, heading in CHOICES.items():
        rows = frame[frame["chosen"] == choice]
        if choice == "gap":
            rows = rows.sort_values("gap", ascending=False, kind="stable")
        sentences = () if len(rows) else ("There is no such recording.",)
        grids = (_grid(folder, rows, frame),) if len(rows) else ()
        found.append(Part(heading.format(**names), sentences, (), grids))
    return tuple(found)


def read(path: Path) -> pd.DataFrame:
    """The file with numbers as numbers, and `gap`, the difference of the shares of seeds that are right."""
    frame = read_rows(path, CASES.columns, ("row", "against", "task", "split", "recording"))
    values = {name: within(path, frame, name, 0) for name in _NUMBERS}
    for side in ("", "_against"):
        refuse(path, frame, f"seeds{side}", pd.Series(values[f"seeds{side}"] < 1), "is no number of seeds")
        more = pd.Series(values[f"right{side}"] > values[f"seeds{side}"])
        refuse(path, frame, f"right{side}", more, "is more than the seeds")
    refuse(path, frame, "chosen", ~frame["chosen"].isin(["", *CHOICES]), f"is none of {', '.join(CHOICES)}")
    # A name that leads elsewhere would put any file of the machine on the page.
    expected = [PICTURE.format(line) for line in range(len(frame))]
    wrong = (frame["picture"] != "") & (frame["picture"].to_numpy() != expected)
    refuse(path, frame, "picture", wrong, "is not the small copy of this line's picture")
    frame = frame.assign(**values)
    return frame.assign(gap=frame["right"] / frame["seeds"] - frame["right_against"] / frame["seeds_against"])


def leaning(frame: pd.DataFrame) -> str:
    """How many recordings lean to either side, and the largest difference on each."""
    gap, (row, against) = frame["gap"], frame[["row", "against"]].iloc[0]
    more, fewer, equal = (int(found.sum()) for found in (gap > 0, gap < 0, gap == 0))
    ends = f'The largest difference is {max(gap.max(), 0):.2f} for "{row}" and {max(-gap.min(), 0):.2f} for "{against}"'
    return (
        f'Of {more} recordings "{row}" is right by a larger share of its seeds, of {fewer} "{against}", and {equal} are equal. '
        f"{ends}: the cases below are the ends of such a spread, and equally good detectors have two ends too."
    )


def averaged(frame: pd.DataFrame) -> str:
    """The mean difference over all recordings, by which the cases are to be judged."""
    of_participants = frame.groupby("participant", sort=False)["gap"]
    mean, low, high = pooled_mean(of_participants.sum().to_numpy(), of_participants.count().to_numpy())
    told = f"Mean difference over all recordings: {mean:+.3f}"
    if of_participants.ngroups < LEAST:
        return f"{told}; of fewer than {LEAST} participants there is no interval."
    verdict = "it excludes 0" if low > 0 or high < 0 else "it holds 0"
    bounds = interval(low, high, "accuracy")
    return f"{told}, 95 % interval over {of_participants.ngroups} participants, the seeds as they are, {bounds}; {verdict}."


def figure(frame: pd.DataFrame) -> Figure:
    """How many recordings have which difference."""
    drawn = Figure(figsize=(5.2, 2.6), layout="constrained")
    axes = drawn.add_subplot()
    axes.hist(frame["gap"], bins=np.linspace(-1 - 1 / BINS, 1 + 1 / BINS, BINS + 1).tolist(), color=BLUE, alpha=0.85)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set(xlabel="difference of the shares of seeds that are right", ylabel="recordings", xlim=(-1.1, 1.1))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    return drawn


def _left_out(folder: Path, frame: pd.DataFrame) -> tuple[str, ...]:
    """What cases are shown without, and the field that shows it."""
    chosen = frame[frame["chosen"] != ""]
    missing = {"words": (chosen["words"] == "").all(), "pictures": (chosen[["picture", "lacks"]] == "").all(axis=None)}
    return tuple(
        f"The {field} are left out; --config.stages.{folder.name}.{field}=True shows them."
        for field, is_missing in missing.items()
        if is_missing
    )


def _grid(folder: Path, rows: pd.DataFrame, frame: pd.DataFrame) -> Grid:
    """A line a case; a column of pictures or words only where any case has some."""
    chosen = frame[frame["chosen"] != ""]
    columns: dict[str, list[Cell]] = {}
    if (chosen[["picture", "lacks"]] != "").any(axis=None):
        columns["Picture"] = [_picture(folder, *line) for line in rows[["recording", "picture", "lacks"]].to_numpy()]
    if (chosen["words"] != "").any():
        columns["Words"] = [_shortened(words) for words in rows["words"]]
    columns |= {"Recording": list(rows["recording"]), "Target": list(rows["target"])}
    for side, ends in (("row", ""), ("against", "_against")):
        cells = rows[[f"decision{ends}", f"right{ends}", f"seeds{ends}"]].itertuples(index=False)
        columns[rows[side].iloc[0]] = [f"{said} ({right:g} of {seeds:g} right)" for said, right, seeds in cells]
    text_columns = len(columns)
    columns["Difference"] = [f"{gap:+.2f}" for gap in rows["gap"]]
    return Grid(tuple(columns), tuple(zip(*columns.values(), strict=True)), text_columns)


def _picture(folder: Path, recording: str, name: str, lacks: str) -> Cell:
    """The small copy of a recording's picture, or why there is none."""
    if not name:
        return lacks
    try:
        return Thumbnail((folder / name).read_bytes(), f"picture of {recording}")
    except OSError as error:
        raise DataError(f"{folder / name}: cannot be read ({error.strerror}); run the stage again") from None


def _shortened(words: str) -> str:
    """The first words, up to a length; interviews have thousands."""
    return words if len(words) <= LONGEST else f"{words[:LONGEST].rsplit(maxsplit=1)[0]} …"


EXHIBIT = ExhibitKind("cases", (CASES,), parts)
