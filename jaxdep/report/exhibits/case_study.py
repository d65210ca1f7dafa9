"""What models say of each segment of one participant's recording (Wu et al. 2022, section 4, "Case study").

Reads `CASE_STUDY`: a line for each segment, model, task and class with the class's probability; `class`
is empty where the task is a score, `words` on every line where the words of a licensed corpus are left out. Two models
are set against each other: those called "A" (audio) and "T" (text), or else the first two of the file. And `FINDINGS`, what
the paper found beside what is found here.
"""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from input_pipeline.errors import DataError
from jaxdep.config.findings import FINDINGS
from jaxdep.config.stages.case_study import CASE_STUDY
from jaxdep.report.csv_files import refuse
from jaxdep.report.exhibits.parts import (
    CLASS_COLOURS,
    Draw,
    ExhibitKind,
    Grid,
    Part,
    findings,
    groups,
    listed,
    read_rows,
    share,
    unique,
    within,
)
from jaxdep.report.figures import GREY, legend_below, shortened, slug

PAIR = ("A", "T")
SUM_TOLERANCE = 0.01  # of a segment's probabilities, which are written rounded

_SEGMENT = ["participant", "recording", "segment"]
_CAPTION = (
    "Class probabilities of each segment over the time of the recording, a model a panel; the bars between mark the "
    "segments of which {} and {} name different classes as the most probable."
)


@dataclasses.dataclass(frozen=True)
class Strip:
    """The segments of a recording in time order, with what each model says of one task.

    Attributes:
        segments: columns start_s, stop_s, words.
        classes: of the task.
        probabilities: by model, NaN where it says nothing of a segment; the two set against each other come first.
    """

    task: str
    segments: pd.DataFrame
    classes: tuple[str, ...]
    probabilities: dict[str, Float[np.ndarray, "N C"]]

    @property
    def pair(self) -> tuple[str, str]:
        """The two models set against each other."""
        first, second, *_ = self.probabilities
        return first, second

    def top(self, model: str) -> np.ndarray:
        """Number of the most probable class of each segment, the first of equals; -1 where the model says nothing."""
        values = self.probabilities[model]
        said = ~np.isnan(values).any(axis=-1)
        return np.where(said, np.argmax(np.nan_to_num(values), axis=-1), -1)

    def both(self) -> np.ndarray:
        """The segments of which both models say something."""
        first, second = map(self.top, self.pair)
        return (first >= 0) & (second >= 0)

    def differ(self) -> np.ndarray:
        """The segments of which the two models' most probable classes differ."""
        first, second = map(self.top, self.pair)
        return self.both() & (first != second)


def parts(folder: Path, draw: Draw) -> tuple[Part, ...]:
    """A figure, a summary and a table of segments for each recording and task. Raises DataError where the file is wrong."""
    frame = read(folder / CASE_STUDY.name)
    has_words = bool((frame["words"] != "").any())
    shows = f"--config.stages.{folder.name}.words=True shows them"
    left_out = () if has_words else (f"The words are left out; {shows}.",)
    found: list[Part] = []
    for (participant, recording), rows in groups(frame, "participant", "recording"):
        for strip in strips(rows):
            name = f"Participant {participant}" + (f", recording {recording}" if recording != participant else "")
            title = f"{name} ({rows['target'].iloc[0]}), {strip.task}"
            suffix = f"_{len(found) + 1:02d}_{slug(participant)}"
            drawing = draw(figure(strip), suffix, title, _CAPTION.format(*strip.pair))
            sentences = (summary(strip), *_scores(rows), *(() if found else left_out))
            found.append(Part(title, sentences, (drawing,), (_grid(strip, has_words),)))
    told, grids = findings(folder)
    return (*found, Part("The paper's participants", told, (), grids)) if told else tuple(found)


def read(path: Path) -> pd.DataFrame:
    """The file with numbers as numbers. Raises DataError where a recording has no two models with classes."""
    frame = read_rows(path, CASE_STUDY.columns, (*_SEGMENT, "model", "task", "class"))
    is_class = frame["class"] != ""
    frame = frame.assign(
        **{name: within(path, frame, name) for name in ("start_s", "stop_s", "value")},
    )
    refuse(path, frame, "stop_s", frame["stop_s"] < frame["start_s"], "comes before start_s")
    refuse(path, frame, "value", is_class & ~frame["value"].between(0, 1), "is not a probability")
    named = frame[is_class]
    sums = named.groupby([*_SEGMENT, "model", "task"])["value"].transform("sum")
    refuse(path, named, "value", (sums - 1).abs() > SUM_TOLERANCE, "and those of the segment's other classes are not 1")
    for (_, recording), rows in groups(frame, "participant", "recording"):
        for (task,), of_task in groups(rows[rows["class"] != ""], "task"):
            if of_task["model"].nunique() < 2:
                raise DataError(
                    f"{path}: model: only {of_task['model'].iloc[0]!r} for task {task!r} of recording {recording!r}; "
                    "a case study sets two models against each other"
                )
        if (rows["class"] == "").all():
            raise DataError(f"{path}: class: empty for all of recording {recording!r}; expected a task with classes")
    return frame


def strips(rows: pd.DataFrame) -> list[Strip]:
    """A recording's strip for each task that has classes."""
    segments = rows.drop_duplicates("segment").sort_values("start_s", kind="stable").set_index("segment")
    found = []
    for (task,), of_task in groups(rows[rows["class"] != ""], "task"):
        classes, models = unique(of_task, "class"), unique(of_task, "model")
        first = PAIR if set(PAIR) <= set(models) else models[:2]
        probabilities = {
            model: of_task[of_task["model"] == model]
            .pivot(index="segment", columns="class", values="value")
            .reindex(index=segments.index, columns=classes)
            .to_numpy()
            for model in dict.fromkeys((*first, *models))
        }
        found.append(Strip(task, segments[["start_s", "stop_s", "words"]], tuple(classes), probabilities))
    return found


def figure(strip: Strip) -> Figure:
    """A panel a model, the first above the second, with the segments of which they differ marked between them."""
    first, second, *others = strip.probabilities
    heights = [1.0, 0.14, *[1.0] * (1 + len(others))]
    drawn = Figure(figsize=(8.6, 1.3 + 1.25 * (len(heights) - 1)), layout="constrained")
    panels = drawn.subplots(len(heights), 1, sharex=True, gridspec_kw={"height_ratios": heights})
    for axes, model in zip((panels[0], *panels[2:]), (first, second, *others), strict=True):
        _stack(axes, strip, model)
    between, differ = panels[1], strip.differ()
    spans = strip.segments[["start_s", "stop_s"]].to_numpy()[differ]
    between.broken_barh([(start, stop - start) for start, stop in spans], (0, 1), color="black")
    between.set(ylim=(0, 1), yticks=[])
    between.set_ylabel("differ", rotation=0, ha="right", va="center", fontsize=8)
    between.tick_params(length=0)
    between.spines[:].set_visible(False)
    panels[-1].set_xlabel("time in the recording (s)")
    panels[-1].set_xlim(strip.segments["start_s"].min(), strip.segments["stop_s"].max())
    legend_below(drawn, panels[0])
    return drawn


def summary(strip: Strip) -> str:
    """The most frequent class by each model, and the share of segments of which the two differ."""
    frequent = []
    for model in strip.probabilities:
        top = strip.top(model)
        counts = np.bincount(top[top >= 0], minlength=len(strip.classes))
        most = [label for label, count in zip(strip.classes, counts, strict=True) if count == counts.max() > 0]
        shown = f"{listed(most)}, {share(int(counts.max()), int(counts.sum()))}" if most else "none"
        frequent.append(f"{model}: {shown}")
    of_both = share(int(strip.differ().sum()), int(strip.both().sum()))
    first, second = strip.pair
    return f"Most frequent class: {'; '.join(frequent)}. {first} and {second} differ in {of_both} segments."


def _scores(rows: pd.DataFrame) -> tuple[str, ...]:
    """The mean of each score over the segments, by model."""
    scores = [
        (task, listed([f"{model} {of_model['value'].mean():.2f}" for (model,), of_model in groups(of_task, "model")]))
        for (task,), of_task in groups(rows[rows["class"] == ""], "task")
    ]
    return (f"Mean over the segments: {'; '.join(f'{task}: {means}' for task, means in scores)}.",) if scores else ()


def _stack(axes: Axes, strip: Strip, model: str) -> None:
    spans = strip.segments[["start_s", "stop_s"]].to_numpy()
    top = np.nancumsum(strip.probabilities[model], axis=-1)
    bottom = np.concatenate((np.zeros((len(top), 1)), top[:, :-1]), axis=-1)
    for number, label in enumerate(strip.classes):
        corners = np.stack(
            [
                np.stack((spans[:, end], heights[:, number]), axis=-1)
                for end, heights in ((0, bottom), (1, bottom), (1, top), (0, top))
            ],
            axis=1,
        )  # [N, 4, 2]
        colour = CLASS_COLOURS[number % len(CLASS_COLOURS)]
        axes.add_collection(
            PolyCollection(list(corners), facecolors=colour, edgecolors="white", linewidths=0.2, label=label),
            autolim=False,
        )
    axes.set(ylim=(0, 1), yticks=(0, 0.5, 1))
    axes.set_ylabel(shortened(model, 14))
    axes.set_facecolor("#F2F2F2")
    axes.grid(visible=False)
    axes.spines[:].set_color(GREY)


def _grid(strip: Strip, has_words: bool) -> Grid:
    differ = strip.differ()
    tops = {model: strip.top(model) for model in strip.probabilities}
    body = []
    for place, (start_s, stop_s, words) in enumerate(strip.segments.itertuples(index=False)):
        said = [
            f"{strip.classes[top[place]]} {strip.probabilities[model][place, top[place]]:.2f}"
            if top[place] >= 0
            else "–"
            for model, top in tops.items()
        ]
        time = f"{_clock(float(start_s))}–{_clock(float(stop_s))}"
        body.append((time, *((str(words),) if has_words else ()), *said, "differ" if differ[place] else ""))
    headings = ("Time", *(("Words",) if has_words else ()), *tops, "Differ")
    marked = frozenset(np.flatnonzero(differ).tolist())
    return Grid(headings, tuple(body), len(headings), f"The {len(body)} segments, {strip.task}", marked)


def _clock(seconds: float) -> str:
    """Minutes and seconds, to a tenth."""
    tenths = round(10 * seconds)
    return f"{tenths // 600}:{tenths % 600 / 10:04.1f}"


EXHIBIT = ExhibitKind("case_study", (CASE_STUDY, FINDINGS), parts)
