"""Exhibits of small hand-made files: what is said of them, what they look like on the page, and broken files."""

import dataclasses
import functools
import hashlib
import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch
from PIL import Image
from rich.console import Console

from input_pipeline.config import ConfigError
from input_pipeline.errors import DataError
from jaxdep import report
from jaxdep.config.rows import Exhibit
from jaxdep.config.stages.case_study import CASE_STUDY
from jaxdep.report import Report, exhibits
from jaxdep.report.exhibits import Shown, attention, case_study

EXHIBITS = ("profile", "case_study", "attention", "conflicts", "stability")
HOSTILE = '<script>alert("x")</script> $\\alpha$ {{ 7*7 }} | [b]'

PROFILE = """model,task,class,group,mean,ci_low,ci_high,recordings,segments
A,emotion,angry,healthy,0.30,0.28,0.32,77,900
A,emotion,angry,depressed,0.40,0.37,0.43,30,400
A,emotion,sad,healthy,0.70,0.60,0.80,77,900
A,emotion,sad,depressed,0.60,0.50,0.70,30,400
A,valence,,healthy,3.0,2.9,3.1,77,900
A,valence,,depressed,3.0,2.8,3.2,30,400
T,emotion,angry,healthy,0.2,nan,nan,77,900
T,emotion,angry,depressed,0.1,nan,nan,30,400
"""

HEADS = """branch,head,sharpness,peak,flatness,examples,target,concentration
audio,1,0.0,1.40,0.95,50,0.010,0.012
audio,0,1.0,30.0,0.08,50,1.000,0.800
text,0,1.0,1.20,0.96,48,1.000,0.150
text,1,0.2,1.10,0.94,48,0.200,0.160
"""

CONFLICTS = """seed,split,member,recordings,conflicts,right,followed,vote_right
0,dev,audio,35,4,1,2,3
0,dev,emotion,35,4,3,4,3
1,dev,audio,35,6,3,3,5
1,dev,emotion,35,6,5,5,5
"""

STABILITY = """row,against,split,metric,n,n_against,std,std_against,ratio,ci_low,ci_high,paired,p,p_holm
Emotion A,Direct text,test,f1,20,20,0.02,0.05,0.4,0.2,0.7,0,0.01,0.02
Emotion T,Direct text,test,f1,20,20,0.06,0.05,1.2,1.1,1.9,0,0.06,0.06
Emotion A,Majority,test,f1,20,1,0.02,nan,nan,nan,nan,0,nan,nan
"""


def segments() -> pd.DataFrame:
    """Three segments of participant 350: the models agree, differ, and in the last the text says nothing."""
    said = {"A": [(0.7, 0.3), (0.6, 0.4), (0.8, 0.2)], "T": [(0.9, 0.1), (0.25, 0.75)]}
    lines = []
    for model in ("T", "A"):  # the file's order is not the page's
        for number, values in enumerate(said[model]):
            where = ("350", "350", "depressed", number, 62.0 + 2 * number, 63.96 + 2 * number, f"{HOSTILE}\nmore")
            lines += [(*where, model, "emotion", c, v) for c, v in zip(("happy", "sad"), values, strict=True)]
            lines.append((*where, model, "valence", "", 2.0 if model == "A" else 4.0))
    return pd.DataFrame(lines, columns=list(CASE_STUDY.columns))


def weights() -> pd.DataFrame:
    """A spiky and a smooth head of both branches; the text of the example has nothing but what precedes it."""
    spike, flat = [0.0, 0.9, 0.1], [0.3, 0.4, 0.3]
    lines = [
        ("Ses01", branch, head, sharpness, position, weight)
        for branch, first in (("audio", 0), ("text", -2))
        for head, sharpness, values in ((0, 1.0, spike), (1, 0.2, flat))
        for position, weight in enumerate(values, first)
    ]
    return pd.DataFrame(lines, columns=["example", "branch", "head", "sharpness", "position", "weight"])


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
    """A stage of each kind of exhibit."""
    for kind in EXHIBITS:
        (tmp_path / "stages" / kind).mkdir(parents=True)
    stages = tmp_path / "stages"
    (stages / "profile" / "profile.csv").write_text(PROFILE)
    (stages / "conflicts" / "conflicts.csv").write_text(CONFLICTS)
    (stages / "stability" / "stability.csv").write_text(STABILITY)
    (stages / "attention" / "attention_heads.csv").write_text(HEADS)
    weights().to_csv(stages / "attention" / "attention.csv", index=False)
    segments().to_csv(stages / "case_study" / "case_study.csv", index=False)
    for name in ("profile", "case_study"):
        (stages / name / "findings.csv").write_text("model,about,paper,here,agrees,source\n")
    return tmp_path


def make(*kinds: str, synthetic: bool = False) -> Report:
    shown = tuple(Exhibit(kind, kind, f"The {kind}", section="Section 4", note=f"Mind <{kind}>.") for kind in kinds)
    return Report("Analyses", "", "emotion_transfer", (), synthetic, {}, "command", {}, "", exhibits=shown)


def show(workdir: Path, kind: str) -> Shown:
    (shown,) = exhibits.show(make(kind), workdir)
    return shown


def write(spec: Report, workdir: Path) -> Path:
    report.write(spec, workdir, Console(file=io.StringIO()))
    return workdir / "report"


def test_a_kind_that_is_not_listed_is_refused_with_those_that_are(workdir: Path) -> None:
    assert set(exhibits.KINDS) >= set(EXHIBITS)
    line = f"exhibit 'The profil': kind: 'profil' is none of {', '.join(exhibits.KINDS)}"
    with pytest.raises(ConfigError, match=line):
        show(workdir, "profil")


def test_exhibits_stand_on_the_page_in_markdown_and_as_stamped_figures(
    workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stamps: list[bool] = []
    save = Figure.savefig

    def spy(figure: Figure, *arguments: object, **options: object) -> None:
        stamps.append("synthetic corpus" in [text.get_text() for text in figure.texts])
        save(figure, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Figure, "savefig", spy)
    folder = write(make(*EXHIBITS, synthetic=True), workdir)
    page, markdown = (folder / "report.html").read_text(), (folder / "report.md").read_text()
    files = sorted(path.name for path in (folder / "figures").iterdir())
    assert files == [
        "exhibit_01_profile_1.png", "exhibit_01_profile_2.png", "exhibit_02_case_study_01_350.png",
        "exhibit_03_attention_1_audio_1.png", "exhibit_03_attention_2_text_1.png",
    ]  # fmt: skip
    assert stamps == [True] * len(files)
    assert page.count("<img ") == page.count("data:image/png;base64,") == len(files)
    assert all(f"(figures/{name})" in markdown for name in files)
    assert page.count("<h3>Section 4</h3>") == markdown.count("### Section 4\n") == 1
    for kind in EXHIBITS:
        assert f"<h4>The {kind}</h4>\n<p>Mind &lt;{kind}&gt;.</p>" in page
    for path in (folder / "figures").iterdir():
        with Image.open(path) as image:
            assert min(image.size) > 250
            assert len(image.convert("RGB").getcolors(1 << 20) or ()) > 20


def test_words_are_escaped_and_long_tables_folded(workdir: Path) -> None:
    folder = write(make("case_study"), workdir)
    page, markdown = (folder / "report.html").read_text(), (folder / "report.md").read_text()
    assert "<script>" not in page + markdown
    assert "&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt; $\\alpha$ {{ 7*7 }} | [b]\nmore" in page
    assert "\\| \\[b\\] more |" in markdown
    table = page.index('<table class="grid">')
    assert page.index("<summary>The 3 segments, emotion</summary>") < table < page.index("</details>", table)


@pytest.mark.slow
def test_the_same_files_give_the_same_bytes(workdir: Path) -> None:
    def digests() -> dict[str, str]:
        folder = write(make(*EXHIBITS), workdir)
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    assert digests() == digests()


def test_a_profile_says_which_group_is_higher_in_what(workdir: Path) -> None:
    (part,) = show(workdir, "profile").parts
    assert part.sentences == (
        "healthy: 77 recordings, 900 segments; depressed: 30 recordings, 400 segments.",
        (
            "A: healthy is higher in sad (0.700 against 0.600, intervals overlap); depressed is higher in angry (0.400 "
            "against 0.300, intervals apart); there is no difference in valence."
        ),
        "T: healthy is higher in angry (0.200 against 0.100, no intervals).",
    )
    emotion, valence = part.grids
    assert emotion.headings[2:] == ("healthy, mean", "95 % interval", "depressed, mean", "95 % interval")
    assert emotion.body[0] == ("A", "angry", "0.300", "0.280 to 0.320", "0.400", "0.370 to 0.430")
    assert emotion.body[2] == ("T", "angry", "0.200", "–", "0.100", "–")
    assert valence.body == (("A", "valence", "3.000", "2.900 to 3.100", "3.000", "2.800 to 3.200"),)


@pytest.mark.parametrize("kind", ["profile", "case_study"])
def test_what_the_paper_found_stands_beside_what_is_found_here(workdir: Path, kind: str) -> None:
    (workdir / "stages" / kind / "findings.csv").write_text(
        "model,about,paper,here,agrees,source\nA,dominant emotion,angry,sad,0,section 4\nT,dominant emotion,sad,sad,1,section 4\n"
    )
    part = show(workdir, kind).parts[-1]
    assert part.sentences[-1] == "Of 2 findings of the paper (section 4) 1 agree with what is found here."
    assert part.grids[-1].body == (
        ("A", "dominant emotion", "angry", "sad", "differs"),
        ("T", "dominant emotion", "sad", "sad", "agrees"),
    )


def test_counts_that_differ_between_models_and_a_class_of_two_tasks_are_told_apart(workdir: Path) -> None:
    text = PROFILE.replace("T,emotion,angry,healthy,0.2,nan,nan,77,900", "T,emotion,angry,healthy,0.2,nan,nan,77,890")
    text += "A,mood,sad,healthy,0.1,0,0.2,77,900\nA,mood,sad,depressed,0.5,0.4,0.6,30,400\n"
    (workdir / "stages" / "profile" / "profile.csv").write_text(text)
    (part,) = show(workdir, "profile").parts
    assert "T, emotion: healthy: 77 recordings, 890 segments; depressed: 30 recordings, 400 segments." in part.sentences
    assert any("sad (emotion) (0.700" in sentence and "sad (mood) (0.500" in sentence for sentence in part.sentences)


def test_a_case_study_counts_segments_that_differ(workdir: Path) -> None:
    (part,) = show(workdir, "case_study").parts
    assert part.title == "Participant 350 (depressed), emotion"
    assert part.sentences == (
        (
            "Most frequent class: A: happy, 3 of 3 (100 %); T: happy and sad, 1 of 2 (50 %). A and T differ in 1 of 2 "
            "(50 %) segments."
        ),
        "Mean over the segments: valence: T 4.00 and A 2.00.",
    )
    (grid,) = part.grids
    assert grid.headings == ("Time", "Words", "A", "T", "Differ")
    assert [(row[0], *row[2:]) for row in grid.body] == [
        ("1:02.0–1:04.0", "happy 0.70", "happy 0.90", ""),
        ("1:04.0–1:06.0", "happy 0.60", "sad 0.75", "differ"),
        ("1:06.0–1:08.0", "happy 0.80", "–", ""),
    ]
    assert grid.marked == {1}


def test_words_that_are_left_out_have_no_column_but_a_line_that_names_the_field(workdir: Path) -> None:
    frame = segments().assign(words="")
    second = frame.assign(participant="351", recording="351")
    path = workdir / "stages" / "case_study" / "case_study.csv"
    pd.concat([frame, second]).to_csv(path, index=False)
    parts = show(workdir, "case_study").parts
    line = "The words are left out; --config.stages.case_study.words=True shows them."
    assert [part.sentences.count(line) for part in parts] == [1, 0]
    for part in parts:
        assert part.grids[0].headings == ("Time", "A", "T", "Differ")
        assert part.grids[0].body[1] == ("1:04.0–1:06.0", "happy 0.60", "sad 0.75", "differ")
    pd.concat([segments(), second]).to_csv(path, index=False)
    parts = show(workdir, "case_study").parts
    assert [part.sentences.count(line) for part in parts] == [0, 0]
    assert parts[1].grids[0].body[1][:2] == ("1:04.0–1:06.0", "")


def test_the_strip_stacks_probabilities_over_time(workdir: Path) -> None:
    frame = case_study.read(workdir / "stages" / "case_study" / "case_study.csv")
    (strip,) = case_study.strips(frame)
    audio, between, text = case_study.figure(strip).axes
    assert [axes.get_ylabel() for axes in (audio, between, text)] == ["A", "differ", "T"]
    drawn = [[np.asarray(path.vertices) for path in stack.get_paths()] for stack in audio.collections]
    happy, sad = drawn
    assert np.allclose([happy[1].min(axis=0), happy[1].max(axis=0)], [[64.0, 0.0], [65.96, 0.6]])
    assert np.allclose([sad[1].min(axis=0), sad[1].max(axis=0)], [[64.0, 0.6], [65.96, 1.0]])
    marked = between.collections[0].get_paths()
    assert len(marked) == 1
    assert marked[0].get_extents().intervalx == pytest.approx([64, 65.96])


def test_heads_are_held_against_their_targets(workdir: Path) -> None:
    audio, text = show(workdir, "attention").parts
    assert audio.sentences == (
        (
            "Every head with a spiky target is less flat than every one with a smooth target: the flattest of the former "
            "(0) has a mean flatness of 0.080, the least flat of the latter (1) one of 0.950. The concentration of every "
            "head is within a factor of 1.5 of its λ."
        ),
    )
    assert audio.grids[0].body == (
        ("0", "spiky", "1", "30.000", "0.080", "1.000", "0.800", "50"),
        ("1", "smooth", "1/T", "1.400", "0.950", "0.010", "0.012", "50"),
    )
    # Its largest weight is the larger one, by the length of the examples: flat all the same.
    assert text.sentences[0].startswith("Not every head with a spiky target is less flat than every one with a smooth")
    assert text.sentences[0].endswith(
        "The concentration of the others is within a factor of 1.5 of its λ. Flatter than its λ asks: 0. "
        "All heads are nearly flat (flatness above 0.9): none is a spike."
    )


NOT_EVERY = "Not every head with a spiky target is less flat than every one with a smooth target"
MET = "The concentration of the others is within a factor of 1.5 of its λ."


@pytest.mark.parametrize(
    ("flatness", "concentration", "begin", "end"),
    [
        ((0.1, 0.1, 0.98), (0.9, 0.7, 0.012), "Every head", "every head is within a factor of 1.5 of its λ."),
        ((0.95, 0.3, 0.98), (0.02, 0.8, 0.01), "Every head", f"{MET} Flatter than its λ asks: 0."),
        ((0.2, 0.3, 0.4), (0.9, 0.8, 0.2), "Every head", f"{MET} Spikier than its λ asks: 2."),
        (
            (0.95, 0.92, 0.5),
            (0.02, 0.02, 0.1),
            f"{NOT_EVERY} (not 0 and 1): the flattest of the former (0) has",
            "0.500. Flatter than its λ asks: 0 and 1. Spikier than its λ asks: 2.",
        ),
    ],
)
def test_heads_are_judged_by_their_own_targets(
    flatness: tuple[float, ...], concentration: tuple[float, ...], begin: str, end: str
) -> None:
    """Of about 100 frames: flat is 0.01."""
    heads = pd.DataFrame({"head": [0, 1, 2], "sharpness": [1.0, 1.0, 0.0], "target": [1.0, 1.0, 0.01]})
    heads = heads.assign(flatness=flatness, concentration=concentration)
    found = attention.compared(heads)
    assert found.startswith(begin)
    assert found.endswith(end)
    same = attention.compared(heads.assign(sharpness=0.2))
    assert same == "All heads have the target sharpness 0.2: none is spiky or smooth by design."


def test_a_head_that_is_asked_for_five_frames_of_a_hundred_need_not_be_flat() -> None:
    heads = pd.DataFrame({"head": [0, 1], "sharpness": [1.0, 0.2], "target": [1.0, 0.2]})
    met = attention.compared(heads.assign(flatness=[0.01, 0.05], concentration=[0.95, 0.21]))
    assert met.endswith("every head is within a factor of 1.5 of its λ.")
    flat = attention.compared(heads.assign(flatness=[0.01, 0.99], concentration=[0.95, 0.01]))
    assert flat.endswith("Flatter than its λ asks: 1.")


def test_no_weight_is_drawn_beyond_its_panel() -> None:
    values = {"flat first": [0.3, 0.4, 0.3], "then spiky": [0.05, 0.9, 0.05]}
    frame = pd.DataFrame(
        [(e, 0, 1.0, place, weight) for e, row in values.items() for place, weight in enumerate(row)],
        columns=["example", "head", "sharpness", "position", "weight"],
    )
    panels = attention.figure(frame).axes
    for axes, row in zip(panels, values.values(), strict=True):
        low, high = axes.get_ylim()
        assert axes.patches[0].get_path().get_extents().ymax == max(row)  # what is drawn, at its full height
        assert low == 0
        assert max(row) < high


def labels(figure: Figure) -> tuple[str, ...]:
    return tuple(sorted({axes.get_xlabel() for axes in figure.axes}))


def test_the_columns_of_the_text_branch_share_their_utterances_on_all_pages(
    workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: dict[str, Figure] = {}
    finished = exhibits.finished

    def spy(spec: Report, figure: Figure, name: str, group: str, title: str, caption: str) -> object:
        drawn[name] = figure
        return finished(spec, figure, name, group, title, caption)

    monkeypatch.setattr(exhibits, "finished", spy)
    frames = [weights().assign(example=f"dialogue {number}") for number in range(5)]
    frames[4].loc[frames[4]["branch"] == "text", "position"] += 3  # from 1 on, on the second page
    gap = frames[3][(frames[3]["branch"] != "text") | (frames[3]["position"] != -1)]
    frame = pd.concat([*frames[:3], gap, frames[4]])
    frame.to_csv(workdir / "stages" / "attention" / "attention.csv", index=False)
    show(workdir, "attention")
    text = [figure for name, figure in drawn.items() if "text" in name]
    audio = [figure for name, figure in drawn.items() if "audio" in name]
    assert {axes.get_xlim() for figure in text for axes in figure.axes} == {(-2.6, 3.6)}
    assert {labels(figure) for figure in text} == {("", "utterance, relative\nto the current one")}
    assert {labels(figure) for figure in audio} == {("", "frame")}
    assert all(axes.get_xlim()[1] < 2.9 for figure in audio for axes in figure.axes)
    stairs = [patch for patch in text[0].axes[3].patches if isinstance(patch, StepPatch)]
    assert [patch.get_data()[0].tolist() for patch in stairs] == [
        pytest.approx([0, np.nan, 0.1], nan_ok=True), pytest.approx([0.5, np.nan, 0.5], nan_ok=True),
    ]  # fmt: skip


def test_more_examples_than_fit_across_go_to_a_second_figure(workdir: Path) -> None:
    frame = pd.concat([weights().assign(example=f"dialogue {number}") for number in range(5)])
    frame.to_csv(workdir / "stages" / "attention" / "attention.csv", index=False)
    (workdir / "stages" / "attention" / "attention_heads.csv").write_text(HEADS[: HEADS.index("text")])
    (part,) = show(workdir, "attention").parts
    assert [item.title for item in part.drawings] == [f"Attention of the audio branch, {n} of 2" for n in (1, 2)]
    assert [item.name for item in part.drawings] == [f"exhibit_01_attention_1_audio_{n}.png" for n in (1, 2)]


EMOTION = "The emotion modality (emotion) is"


@pytest.mark.parametrize(
    ("changes", "followed", "right", "modality"),
    [
        ({}, "emotion, in 9", "emotion, in 8", f"{EMOTION} the one followed most and the one right most often."),
        (
            {"emotion,35,4,3,4": "emotion,35,4,3,0"},
            *("audio and emotion (tied), in 5", "emotion, in 8"),
            f"{EMOTION} one of those followed most (tied) and the one right most often.",
        ),
        (
            {"emotion,35,4,3,4": "emotion,35,4,0,0", "35,6,5,5": "35,6,4,0"},
            *("audio, in 5", "audio and emotion (tied), in 4"),
            f"{EMOTION} not the one followed most and one of those right most often (tied).",
        ),
        (
            {"35,4,1,": "35,4,0,", "35,4,3,": "35,4,0,", "35,6,3,": "35,6,0,", "35,6,5,": "35,6,0,"},
            *("emotion, in 9", "nobody, in 0"),
            f"{EMOTION} the one followed most and not the one right most often.",
        ),
        (
            {"emotion,35,4,3,4": "emotion,35,4,0,0", "emotion,35,6,5,5": "emotion,35,6,3,3"},
            *("audio, in 5", "audio, in 4"),
            f"{EMOTION} neither the one followed most nor the one right most often.",
        ),
        ({"emotion": "no_emotion"}, "no_emotion, in 9", "no_emotion, in 8", ""),
        ({"emotion": "emotion_at", "audio": "emotion_a"}, "emotion_at, in 9", "emotion_at, in 8", ""),
    ],
)  # fmt: skip
def test_conflicts_say_whom_the_vote_followed(
    workdir: Path, changes: dict[str, str], followed: str, right: str, modality: str
) -> None:
    text = functools.reduce(lambda text, change: text.replace(*change), changes.items(), CONFLICTS)
    (workdir / "stages" / "conflicts" / "conflicts.csv").write_text(text)
    (part,) = show(workdir, "conflicts").parts
    found, _, last = part.sentences[0].partition(" The emotion modality")
    assert re.sub(r" \(\d+ %\)", "", found) == (
        f"dev, 2 seeds: in 10 conflicts the vote most often followed {followed} of 10; most often right was {right} of 10; "
        "the vote was right in 8 of 10."
    )
    assert last == modality.removeprefix("The emotion modality")


def test_conflicts_are_counted_over_the_seeds(workdir: Path) -> None:
    (part,) = show(workdir, "conflicts").parts
    assert part.grids[0].body[0][:3] == ("dev", "audio", "2")
    told = [cell.split(", STD ") for cell in part.grids[0].body[0][3:]]
    assert [total for total, _ in told] == ["10 of 70 (14 %)", "4 of 10 (40 %)", "5 of 10 (50 %)", "8 of 10 (80 %)"]
    file = pd.read_csv(io.StringIO(CONFLICTS)).query("member == 'audio'")
    shares = [
        file["conflicts"] / file["recordings"],
        *(file[c] / file["conflicts"] for c in ("right", "followed", "vote_right")),
    ]
    assert [std for _, std in told] == [f"{100 * np.std(share, ddof=1):.0f} % over seeds" for share in shares]


def test_conflicts_of_several_draws_have_a_spread_over_both(workdir: Path) -> None:
    header, *rows = CONFLICTS.splitlines()
    again = [f"{row},{draw}" for draw in (0, 1) for row in rows]
    path = workdir / "stages" / "conflicts" / "conflicts.csv"
    path.write_text("\n".join([f"{header},draw", *again]) + "\n")
    (part,) = show(workdir, "conflicts").parts
    assert part.grids[0].body[0][3] == "20 of 140 (14 %), STD 4 % over seeds and 0 % over draws"
    assert "of those of single draws" in part.sentences[-1]
    path.write_text(path.read_text() + again[-1] + "\n")
    with pytest.raises(DataError, match="stands there twice for one seed, split, draw"):
        show(workdir, "conflicts")


def test_members_that_always_agree_are_reported_as_such(workdir: Path) -> None:
    text = CONFLICTS.splitlines()[0] + "\n0,dev,audio,35,0,0,0,0\n"
    (workdir / "stages" / "conflicts" / "conflicts.csv").write_text(text)
    (part,) = show(workdir, "conflicts").parts
    assert part.sentences == ("dev, 1 seed: the members agreed on every recording.",)
    assert part.grids[0].body == (("dev", "audio", "1", "0 of 35 (0 %)", "0 of 0", "0 of 0", "0 of 0"),)


@pytest.mark.parametrize(
    ("kind", "name", "old", "new", "parts"),
    [
        ("profile", "profile.csv", "0.40,", "high,", ("line 3", "mean", "'high'", "not a number")),
        ("profile", "profile.csv", "0.40,", "1.40,", ("line 3", "mean", "1.4", "not a probability")),
        ("profile", "profile.csv", "0.40,", "nan,", ("line 3", "mean", "not a finite number")),
        ("profile", "profile.csv", "0.37,0.43", "0.47,0.43", ("line 3", "ci_low", "0.47")),
        ("profile", "profile.csv", "0.37,0.43", "nan,0.43", ("line 3", "ci_low", "nan")),
        ("profile", "profile.csv", ",30,400", ",-3,400", ("line 3", "recordings", "-3", "0 or more")),
        ("profile", "profile.csv", "angry,depressed", "angry,healthy", ("line 3", "group", "'healthy'", "twice")),
        ("profile", "profile.csv", "ci_low", "low", ("header", "'ci_low'")),
        ("profile", "profile.csv", PROFILE[PROFILE.index("A,") :], "", ("no row below the header",)),
        ("case_study", "case_study.csv", "emotion,sad,0.75", "emotion,sad,0.95", ("line 8", "value", "are not 1")),
        ("case_study", "case_study.csv", "emotion,sad,0.75", "emotion,sad,7", ("line 10", "value", "not a probability")),
        ("case_study", "case_study.csv", "63.96", "61", ("line 2", "stop_s", "before start_s")),
        ("case_study", "case_study.csv", ",T,", ",A,", ("twice for one",)),
        ("attention", "attention.csv", "0.9", "-0.9", ("line 3", "weight", "-0.9", "from 0 to 1")),
        ("attention", "attention.csv", "Ses01,audio,0,", "Ses01,audio,x,", ("line 2", "head", "'x'")),
        ("attention", "attention.csv", "0.2,-2,", "0.2,-1.5,", ("line 11", "position", "'-1.5'", "whole")),
        ("attention", "attention_heads.csv", ",0.08,", ",1.08,", ("line 3", "flatness", "1.08", "from 0 to 1")),
        ("attention", "attention_heads.csv", ",30.0,", ",0.6,", ("line 3", "peak", "0.6", "0.999 or more")),
        ("attention", "attention_heads.csv", "audio,0,", "audio,1,", ("line 3", "head", "'1'", "twice for one branch")),
        ("conflicts", "conflicts.csv", "35,4,3,4,3", "35,4,5,4,3", ("line 3", "right", "5", "more than the conflicts")),
        ("conflicts", "conflicts.csv", "35,4,3,4,3", "35,4,3,4,2", ("line 3", "vote_right", "2", "other members")),
        ("conflicts", "conflicts.csv", "35,4,3,4,3", "3,4,3,4,3", ("line 3", "conflicts", "4", "more than the recordings")),
    ],
)  # fmt: skip
def test_wrong_files_are_named_by_file_line_and_field(
    workdir: Path, kind: str, name: str, old: str, new: str, parts: tuple[str, ...]
) -> None:
    path = workdir / "stages" / kind / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(DataError) as error:
        exhibits.show(make(kind), workdir)
    message = str(error.value)
    assert str(path) in message
    assert "\n" not in message
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        (lambda frame: frame["model"] == "A", "model: only 'A' for task 'emotion' of recording '350'"),
        (lambda frame: frame["class"] == "", "class: empty for all of recording '350'"),
    ],
)
def test_a_case_study_needs_two_models_with_classes(workdir: Path, keep: object, message: str) -> None:
    frame = segments()
    frame[keep(frame)].to_csv(workdir / "stages" / "case_study" / "case_study.csv", index=False)  # type: ignore[operator]
    with pytest.raises(DataError, match=message):
        exhibits.show(make("case_study"), workdir)


def test_a_stage_that_has_not_run_is_named(workdir: Path) -> None:
    spec = make("profile")
    spec = dataclasses.replace(spec, exhibits=(dataclasses.replace(spec.exhibits[0], stage="absent"),))
    with pytest.raises(DataError, match="no such file; run the stage 'absent' first"):
        exhibits.show(spec, workdir)


def test_stability_says_which_rows_spread_less_and_for_which_chance_is_excluded(workdir: Path) -> None:
    (part,) = show(workdir, "stability").parts
    assert part.sentences == (
        (
            "F1 (positive): 1 of 2 rows spread less over the seeds than Direct text; Emotion T more. "
            "Significantly less: Emotion A."
        ),
        (
            "F1 (positive): whether a row spreads less over the seeds than Majority cannot be told: too few seeds, or "
            "scores that do not differ."
        ),
        (
            "Significant: p below 0.05 by the Brown-Forsythe test, corrected for 2 ratios (Holm). The intervals are those of "
            "each ratio by itself, by bootstrap over the seeds."
        ),
    )
    (grid,) = part.grids
    assert grid.marked == {0}
    assert grid.body[1][4:] == ("0.060", "0.050", "1.200", "1.100 to 1.900", "0.060", "0.060")
    assert grid.body[2][5:] == ("–", "–", "–", "–", "–")


def test_pairs_of_seeds_are_told_and_differences_that_are_not_significant(workdir: Path) -> None:
    path = workdir / "stages" / "stability" / "stability.csv"
    path.write_text(STABILITY.replace(",0,0.01,0.02", ",1,0.03,0.06"))
    (part,) = show(workdir, "stability").parts
    assert part.sentences[0].endswith("Emotion T more. None of these differences is significant.")
    assert part.sentences[-1].endswith("same validation participants: seeds are taken in pairs.")
    assert part.grids[0].marked == frozenset()


def test_rows_whose_spread_cannot_be_told_are_not_counted(workdir: Path) -> None:
    path = workdir / "stages" / "stability" / "stability.csv"
    path.write_text(STABILITY + "Emotion A+T,Direct text,test,f1,1,20,nan,0.05,nan,nan,nan,0,nan,nan\n")
    (part,) = show(workdir, "stability").parts
    assert part.sentences[0] == (
        "F1 (positive): 1 of 2 rows spread less over the seeds than Direct text; Emotion T more. Significantly less: "
        "Emotion A. Of Emotion A+T it cannot be told: too few seeds, or scores that do not differ."
    )


@pytest.mark.slow
def test_stages_know_the_files_without_what_draws_them() -> None:
    told = (
        "import pkgutil, sys; from jaxdep.config import StageConfig\n"
        "kinds = [StageConfig]\n"
        "for kind in kinds: kinds += kind.__subclasses__()\n"
        "for kind in kinds: print(bool(kind.runner and pkgutil.resolve_name(kind.runner)))\n"
        "print(*sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True).stdout.split()
    assert found.count("True") >= 9
    assert "jaxdep.stages.attention" in found
    assert not {"matplotlib", "jaxdep.report.exhibits"} & set(found)
