"""The report of a small workdir: figures worked by hand, the same bytes twice, and hostile files and names."""

import dataclasses
import hashlib
import io
import json
import re
from collections.abc import Callable, Iterable
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image
from rich.console import Console

from input_pipeline.config import ConfigError
from input_pipeline.errors import DataError
from jaxdep import report
from jaxdep.config import Published
from jaxdep.config.rows import Row
from jaxdep.report import Report, figures, scores, table

COLUMNS = (  # the contract
    "system,row,split,metric,n_seeds,max,avg,std,ci_low,ci_high,published_max,published_avg,published_std,"
    "published_figure,n_participants,participants_ci_low,participants_ci_high,n_draws,std_draws,corpus_split"
)
PAPER = Published("f1", max=0.828, avg=0.771, std=0.027, source="Wu et al. 2022, Table 3")


def write_predictions(folder: Path, rows: Iterable[tuple[int, str, object, object]]) -> None:
    """Rows of (seed, example, target, prediction) on the dev split."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{seed},dev,{example},{example},{target},{prediction}" for seed, example, target, prediction in rows]
    text = "\n".join(["seed,split,example,participant,target,prediction", *lines])
    (folder / "predictions.csv").write_text(text + "\n")


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
    """Two seeds of a model on four people, a third that diverged, a baseline, a score, and learning curves."""
    stages = tmp_path / "stages"
    people = [("a", "yes"), ("b", "yes"), ("c", "no"), ("d", "no")]
    said = {0: "yes yes no no", 1: "yes no yes no", 2: "no no no no"}
    decisions = [(s, *p, word) for s, words in said.items() for p, word in zip(people, words.split(), strict=True)]
    write_predictions(stages / "model", decisions)
    (stages / "model" / "stage.json").write_text('{"diverged": [2]}')
    curve = [(s, k, e, "loss", 1 / (e + s + 1)) for s in (0, 1) for k in ("train", "dev") for e in range(3)]
    curve += [(s, "dev", e, "f1", e / 4) for s in (0, 1) for e in range(3)] + [(2, "train", 0, "loss", float("nan"))]
    frame = pd.DataFrame(curve, columns=["seed", "split", "epoch", "metric", "value"])
    frame.to_csv(stages / "model" / "metrics.csv", index=False, na_rep="nan")
    write_predictions(stages / "all_positive", [(0, *person, "yes") for person in people])
    write_predictions(
        stages / "phq", [(s, e, t, t + s + 1) for s in (0, 1) for e, t in (("a", 4), ("b", 10), ("c", 1))]
    )
    return tmp_path


def make(synthetic: bool = False, label: str = "Emotion (A+T)") -> Report:
    binary = {"split": "dev", "metrics": ("f1", "tp"), "positive": "yes", "classes": ("no", "yes")}
    rows = (
        Row(stage="model", label=label, published=(PAPER,), selected_on="dev", **binary),
        Row(stage="all_positive", label="All positive", baseline=True, **binary),
        Row(stage="phq", label="PHQ-8", split="dev", metrics=("mae", "ccc"), positive=None, classes=()),
    )
    return Report(
        title="Table 3",
        description="Three modalities.",
        system="emotion_transfer",
        rows=rows,
        synthetic=synthetic,
        environment={"jax": "0.10.2"},
        command="python -m jaxdep.main --config=table3.py",
        config={"seeds": {"count": 3}},
        source="Wu et al. 2022, https://example.org/paper",
    )


def write(spec: Report, workdir: Path) -> tuple[Path, str]:
    console = Console(file=io.StringIO(), width=80)
    report.write(spec, workdir, console)
    return workdir / "report", console.file.getvalue()  # type: ignore[attr-defined]


def test_the_table_worked_by_hand(workdir: Path) -> None:
    folder, _ = write(make(), workdir)
    text = (folder / "table.csv").read_text()
    assert text.splitlines()[0] == COLUMNS
    lines = pd.read_csv(folder / "table.csv").set_index(["row", "metric"])
    f1 = lines.loc[("Emotion (A+T)", "f1")]  # seed 0: 1.0; seed 1: 0.5; seed 2 diverged
    assert f1["n_seeds"] == 2
    assert f1[["max", "avg", "std"]].tolist() == pytest.approx([1.0, 0.75, 0.353553])
    assert f1[["ci_low", "ci_high"]].tolist() == [0.5, 1.0]
    assert f1[["published_max", "published_avg", "published_std"]].tolist() == [0.828, 0.771, 0.027]
    assert lines.loc[("Emotion (A+T)", "tp"), "avg"] == 1.5
    assert lines.loc[("All positive", "f1"), "avg"] == pytest.approx(2 / 3, abs=1e-6)
    assert lines.loc[("All positive", "f1")][["std", "ci_low", "published_max"]].isna().all()
    assert lines.loc[("PHQ-8", "mae")][["max", "avg"]].tolist() == [2.0, 1.5]
    assert "emotion_transfer,All positive,dev,f1,1,0.666667,0.666667,,,,,," in text


def test_every_place_shows_the_same_figures(workdir: Path) -> None:
    folder, terminal = write(make(), workdir)
    markdown, page = (folder / "report.md").read_text(), (folder / "report.html").read_text()
    for text in (terminal, markdown, page):
        for figure in ("0.750", "0.354", "0.828", "0.771", "0.667"):
            assert figure in text
        assert "1 diverged seed left out: 2" in text or text is terminal
    assert max(map(len, terminal.splitlines())) <= 80
    assert "Epoch chosen on dev, the split scored here: optimistic" in page


def test_a_synthetic_corpus_is_named_everywhere_and_shows_no_published_figure(workdir: Path) -> None:
    folder, terminal = write(make(synthetic=True), workdir)
    lines = pd.read_csv(folder / "table.csv")
    assert lines[["published_max", "published_avg", "published_std"]].isna().all(axis=None)
    for text in (terminal, (folder / "report.md").read_text(), (folder / "report.html").read_text()):
        assert "synthetic corpus" in text.lower()
        assert not re.search(r"0\.828|0\.771|0\.027|Table 3, row|2022, Table 3", text)


def test_every_figure_of_a_synthetic_corpus_is_stamped(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    save = Figure.savefig

    def spy(figure: Figure, *arguments: object, **options: object) -> None:
        seen.append([text.get_text() for text in figure.texts])
        save(figure, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Figure, "savefig", spy)
    folder, _ = write(make(synthetic=True), workdir)
    assert len(seen) == len(list((folder / "figures").iterdir())) >= 5
    assert all("synthetic corpus" in texts for texts in seen)
    seen.clear()
    write(make(synthetic=False), workdir)
    assert not any("synthetic corpus" in texts for texts in seen)


def test_one_figure_is_no_average_and_stands_beside_each_of_its_readings(workdir: Path) -> None:
    spec = make()
    alone = (
        Published("f1", figure=0.692, readings=("f1_macro", "f1_weighted"), source="Table I", prevalence=0.3),
        Published("accuracy", figure=0.6938, source="Table I"),
        Published("unweighted_accuracy", figure=0.7071, source="Table I"),
    )
    asked = ("f1", "f1_macro", "f1_weighted", "accuracy", "unweighted_accuracy")
    row = dataclasses.replace(spec.rows[0], published=alone, metrics=asked)
    spec = dataclasses.replace(spec, rows=(row, *spec.rows[1:]))
    folder, terminal = write(spec, workdir)
    lines = pd.read_csv(folder / "table.csv").set_index(["row", "metric"]).loc["Emotion (A+T)"]
    assert lines.loc[["f1", "f1_macro", "f1_weighted"], "published_figure"].tolist() == [0.692] * 3
    assert lines[["published_max", "published_avg", "published_std"]].isna().all(axis=None)
    markdown, page = (folder / "report.md").read_text(), (folder / "report.html").read_text()
    assert "Published one figure" in markdown
    assert "Published AVG" not in markdown
    assert "0.692 alone" in terminal
    for text in (markdown, page):
        assert "Which of F1 (positive), F1 (macro) and F1 (weighted) its figure is the paper does not say" in text
        assert "F1 (weighted): nearest to the published figure in 1 of 1 rows" in text
    figure = figures.distribution([scores.read(row, workdir)], "dev", "f1_macro", synthetic=False)
    assert "published, one figure" in {text.get_text() for text in figure.legends[0].get_texts()}
    folder, _ = write(dataclasses.replace(spec, synthetic=True), workdir)
    assert "nearest to the published" not in (folder / "report.html").read_text()


def test_the_page_says_whether_any_confusion_counts_have_the_published_figures(workdir: Path) -> None:
    spec = make()

    def text(*figures: float, synthetic: bool = False) -> str:
        printed = zip(("accuracy", "precision", "recall", "f1"), figures, strict=True)
        published = tuple(
            Published(metric, figure=figure, scored=(75, 75) if metric == "recall" else ())
            for metric, figure in printed
        )
        row = dataclasses.replace(spec.rows[0], published=published, metrics=("accuracy", "precision", "recall", "f1"))
        folder, _ = write(dataclasses.replace(spec, rows=(row, *spec.rows[1:]), synthetic=synthetic), workdir)
        return (folder / "report.md").read_text()

    impossible = text(0.895, 0.903, 0.885, 0.894)  # Kumari and Tiwari 2021, Table 2
    assert "0 of 1 rows have counts that round to all" in impossible
    assert "TN 68, FP 7, FN 9, TP 66" in impossible
    assert "0.895 (0.893)" in impossible
    assert "1 of 1 rows have counts that round to all" in text(0.893, 0.904, 0.880, 0.892)
    assert "rows have counts" not in text(0.895, 0.903, 0.885, 0.894, synthetic=True)


def test_published_markers_and_baseline_lines_stand_in_the_figure_but_not_on_synthetic_data(workdir: Path) -> None:
    spec = make()
    scored = [scores.read(row, workdir) for row in spec.rows]

    def entries(synthetic: bool) -> set[str]:
        figure = figures.distribution(scored, "dev", "f1", synthetic)
        return {text.get_text() for text in figure.legends[0].get_texts()}

    markers = {"published MAX", "published AVG", "published AVG ± STD"}
    assert markers | {"one seed", "All positive: 0.667"} == entries(synthetic=False)
    assert entries(synthetic=True) == entries(synthetic=False) - markers


def test_the_same_input_gives_the_same_bytes(workdir: Path) -> None:
    def digests() -> dict[str, str]:
        folder, _ = write(make(), workdir)
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    first = digests()
    (workdir / "report" / "figures" / "of-a-row-that-is-gone.png").write_bytes(b"old")
    assert digests() == first


def test_figures_are_png_of_a_readable_size(workdir: Path) -> None:
    folder, _ = write(make(), workdir)
    names = {path.name for path in (folder / "figures").iterdir()}
    expected = {
        "confusion_01_emotion-a-t.png",
        "learning_model.png",
        "agreement_03_phq-8.png",
        "distribution_dev_f1.png",
    }
    assert expected <= names
    assert not any("all-positive" in name for name in names)
    for path in (folder / "figures").iterdir():
        with Image.open(path) as image:
            image.load()
            assert image.format == "PNG"
            assert min(image.size) > 250
            assert len(image.getcolors(1 << 20) or ()) > 20
            assert "Software" not in image.info


class _Elements(HTMLParser):
    """Collects every element with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_the_page_is_one_file_that_fetches_nothing_and_escapes_names(workdir: Path) -> None:
    hostile = '<script>alert("x")</script> $\\alpha$ {{ 7*7 }} | [b]'
    folder, terminal = write(make(label=hostile), workdir)
    text = (folder / "report.html").read_text()
    elements = _Elements(text).found
    tags = {tag for tag, _ in elements}
    assert not tags & {"script", "link", "iframe", "object", "embed", "base"}
    sources = [
        value for _, attributes in elements for key, value in attributes.items() if key in ("src", "href", "srcset")
    ]
    assert sources
    assert all(value is not None and value.startswith("data:image/png;base64,") for value in sources)
    style = text[text.index("<style>") : text.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    assert "{{ 7*7 }}" in text
    assert all(attributes.get("alt") for tag, attributes in elements if tag == "img")
    markdown = (folder / "report.md").read_text()
    assert "<script>" not in markdown
    assert "\\| \\[b\\]" in markdown
    assert "[b]" in terminal


def test_seeds_may_score_different_examples(workdir: Path) -> None:
    decisions = [(0, "a", "yes", "yes"), (0, "b", "no", "no"), (0, "c", "no", "yes"), (7, "d", "yes", "no")]
    write_predictions(workdir / "stages" / "model", decisions)
    row = dataclasses.replace(make().rows[0], metrics=("accuracy",))
    found = scores.read(row, workdir)
    assert found.seeds == (0, 7)
    assert found.per_seed["accuracy"].tolist() == pytest.approx([2 / 3, 0])
    assert found.counts is not None
    assert found.counts.tolist() == [[0.5, 0.5], [0.5, 0.5]]


def test_the_interval_over_participants_stands_by_its_name_where_there_are_enough_of_them(workdir: Path) -> None:
    row = make().rows[0]
    assert scores.read(row, workdir).over_participants == {}  # four people
    right = [
        (s, f"{p:02}", "yes" if p % 3 else "no", "yes" if (p + s) % 4 else "no") for s in (0, 1) for p in range(30)
    ]
    write_predictions(workdir / "stages" / "model", right)
    folder, terminal = write(make(), workdir)
    line = pd.read_csv(folder / "table.csv").set_index(["row", "metric"]).loc[("Emotion (A+T)", "f1")]
    assert line["n_participants"] == 30
    assert line["participants_ci_low"] < line["ci_low"] <= line["avg"] <= line["ci_high"] < line["participants_ci_high"]
    texts = (terminal, (folder / "report.md").read_text(), (folder / "report.html").read_text())
    for text in texts:
        assert f"{line['participants_ci_low']:.3f}" in text
        assert "Over participants: with other participants" in " ".join(text.split())
    assert "95 % interval over participants" in texts[1]
    assert max(map(len, terminal.splitlines())) <= 80
    decided = pd.read_csv(workdir / "stages/model/predictions.csv", dtype=str)
    decided.sample(frac=1, random_state=0).to_csv(workdir / "stages/model/predictions.csv", index=False)
    assert scores.read(row, workdir).over_participants["f1"] == pytest.approx(
        (line["participants_ci_low"], line["participants_ci_high"]), abs=1e-6
    )


def test_numeric_classes_are_scored_as_values_too(workdir: Path) -> None:
    write_predictions(workdir / "stages" / "levels", [(0, "a", "0", "5"), (0, "b", "10", "10"), (0, "c", "5", "0")])
    row = Row("levels", "PHQ-8 in levels", "dev", ("accuracy", "mae", "rmse"), None, ("0", "5", "10"))
    found = scores.read(row, workdir).per_seed
    assert [float(value[0]) for value in found.values()] == pytest.approx([1 / 3, 10 / 3, (50 / 3) ** 0.5])


def test_probabilities_give_roc_auc_but_the_stages_decision_stands(workdir: Path) -> None:
    rows = ["0,dev,a,a,yes,no,0.3,0.7", "0,dev,b,b,no,no,0.6,0.4"]
    text = "\n".join(["seed,split,example,participant,target,prediction,p_no,p_yes", *rows]) + "\n"
    (workdir / "stages" / "model" / "predictions.csv").write_text(text)
    row = dataclasses.replace(make().rows[0], metrics=("accuracy", "roc_auc"))
    found = scores.read(row, workdir).per_seed
    assert found["roc_auc"].tolist() == [1.0]
    assert found["accuracy"].tolist() == [0.5]


def test_a_row_whose_seeds_all_diverged_is_reported_with_none(workdir: Path) -> None:
    (workdir / "stages" / "model" / "stage.json").write_text('{"diverged": [0, 1, 2]}')
    folder, _ = write(make(), workdir)
    assert "emotion_transfer,Emotion (A+T),dev,f1,0,,,,,,0.828000" in (folder / "table.csv").read_text()
    assert "3 diverged seeds left out: 0, 1, 2" in (folder / "report.html").read_text()


def test_the_better_row_is_the_one_with_the_lower_error(workdir: Path) -> None:
    write_predictions(workdir / "stages" / "bad", [(s, e, t, t + 9) for s in (0, 1) for e, t in (("a", 4), ("b", 10))])
    good = make().rows[2]
    rows = (good, dataclasses.replace(good, stage="bad", label="bad"))
    (mae, *_) = table.duels([scores.read(row, workdir) for row in rows])
    assert mae.metric == "mae"
    assert mae.labels == ("PHQ-8", "bad")
    assert [[cell and cell.probability for cell in row] for row in mae.cells] == [[None, 1.0], [0.0, None]]


def test_trivial_baselines_are_compared_with_models_and_not_with_each_other(workdir: Path) -> None:
    model, trivial, _ = make().rows
    rows = (model, trivial, dataclasses.replace(trivial, label="All positive again"))
    found = [scores.read(row, workdir) for row in rows]
    (duel,) = table.duels(found)
    assert [[cell is not None for cell in line] for line in duel.cells] == [
        [False, True, True],
        [True, False, False],
        [True, False, False],
    ]
    assert table.duels(found[1:]) == []


def test_draws_of_who_lacks_a_modality_are_scored_one_by_one_and_their_spread_is_shown(workdir: Path) -> None:
    said = {(0, 0): "yes yes no no", (0, 1): "yes no no no", (1, 0): "no yes yes no", (1, 1): "no no no no"}
    lines = [
        f"{seed},dev,{who},{who},{target},{word},{draw}"
        for (seed, draw), words in said.items()
        for who, target, word in zip("abcd", ("yes", "yes", "no", "no"), words.split(), strict=True)
    ]
    path = workdir / "stages" / "model" / "predictions.csv"
    path.write_text("\n".join(["seed,split,example,participant,target,prediction,draw", *lines]) + "\n")
    spec = make()
    row = dataclasses.replace(spec.rows[0], metrics=("accuracy",), published=())
    folder, _ = write(dataclasses.replace(spec, rows=(row, *spec.rows[1:])), workdir)
    found = pd.read_csv(folder / "table.csv").set_index(["row", "metric"])
    line = found.loc[("Emotion (A+T)", "accuracy")]  # seed 0: 1, 3/4; seed 1: 1/2, 1/2
    assert line[["n_seeds", "n_draws"]].tolist() == [2, 2]
    assert line[["max", "avg", "std"]].tolist() == pytest.approx([0.875, 0.6875, 0.375 / 2**0.5], abs=1e-6)
    assert line["std_draws"] == pytest.approx(0.125 / 2**0.5, abs=1e-6)  # 3/4 and 5/8
    assert found.loc[("PHQ-8", "mae"), "n_draws"] == 1
    page = (folder / "report.html").read_text()
    assert "Spread over the draws of who lacks a modality" in page
    assert "<td>0.625</td>" in page.replace(' class="n"', "")
    path.write_text(path.read_text().rsplit("1,dev,a", 1)[0])
    with pytest.raises(DataError, match=r"line 10: draw: '0' is of a seed that lacks some of the draws"):
        scores.read(row, workdir)


def test_a_row_is_called_by_the_corpuss_own_split(workdir: Path) -> None:
    spec = make()
    names = {"dev": "session5 (iemocap)"}
    rows = tuple(dataclasses.replace(row, split_names=names) for row in spec.rows)
    folder, terminal = write(dataclasses.replace(spec, rows=rows), workdir)
    lines = pd.read_csv(folder / "table.csv")
    assert (set(lines["split"]), set(lines["corpus_split"])) == ({"dev"}, {"session5 (iemocap)"})
    for text in (terminal, (folder / "report.md").read_text(), (folder / "report.html").read_text()):
        assert "session5 (iemocap)" in text
    page = (folder / "report.html").read_text()
    assert "<td>dev</td>" not in re.sub(r' rowspan="\d+"', "", page)
    assert "Epoch chosen on session5 (iemocap), the split scored here: optimistic" in page


HEADER = "seed,split,example,participant,target,prediction\n"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (HEADER + "0,dev,a,a,yes,maybe\n", ("line 2", "prediction", "'maybe'", "no, yes")),
        (HEADER + "0,dev,a,a,yes,yes\n0,dev,b,b,,no\n", ("line 3", "target", "''")),
        (HEADER + "x,dev,a,a,yes,yes\n", ("line 2", "seed", "'x'")),
        (HEADER + "0.5,dev,a,a,yes,yes\n", ("line 2", "seed", "'0.5'", "whole")),
        (HEADER + "0,dev,a,a,yes,yes\n0,dev,a,a,yes,no\n", ("line 3", "example", "'a'", "twice")),
        (HEADER + "0,test,a,a,yes,yes\n", ("split", "'dev'", "test")),
        ("seed,split,example,target,prediction\n0,dev,a,yes,yes\n", ("header", "'participant'")),
        (HEADER + '0,dev,"a,a,yes,yes\n', ("not a CSV file",)),
        ("", ("not a CSV file",)),
    ],
)  # fmt: skip
def test_wrong_predictions_are_named_by_file_line_and_field(workdir: Path, text: str, parts: tuple[str, ...]) -> None:
    path = workdir / "stages" / "all_positive" / "predictions.csv"
    path.write_text(text)
    with pytest.raises(DataError) as error:
        scores.read(make().rows[1], workdir)
    message = str(error.value)
    assert str(path) in message
    assert "\n" not in message
    for part in parts:
        assert part in message


def test_a_stage_that_has_not_run_is_named(workdir: Path) -> None:
    with pytest.raises(DataError, match="no such file; run the stage 'absent' first"):
        scores.read(dataclasses.replace(make().rows[0], stage="absent"), workdir)


@pytest.mark.parametrize("text", ["[", "[]", '{"diverged": 3}', '{"diverged": ["x"]}'])
def test_a_broken_stage_json_is_named(workdir: Path, text: str) -> None:
    (workdir / "stages" / "model" / "stage.json").write_text(text)
    with pytest.raises(DataError, match=r"stage\.json: diverged: expected"):
        scores.read(make().rows[0], workdir)


def test_a_metric_that_the_predictions_cannot_give_is_an_error_that_lists_the_others(workdir: Path) -> None:
    with pytest.raises(ConfigError, match=r"no 'rmse_one_hot'.*accuracy, .*f1"):
        scores.read(dataclasses.replace(make().rows[0], metrics=("rmse_one_hot",)), workdir)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: dataclasses.replace(make(), rows=(make().rows[0],) * 2), "two are called"),
        (lambda: dataclasses.replace(make().rows[0], published=(PAPER, PAPER)), "more than one entry"),
        (lambda: dataclasses.replace(make().rows[0], positive="Yes"), "none of the classes"),
        (lambda: Published("f1").freeze(), "none of max, avg, std, figure"),
        (lambda: Published("f1", avg=0.5, figure=0.6).freeze(), "figure: of 'f1' there is avg too"),
        (lambda: Published("f1", avg=0.5, readings=("f1",)).freeze(), "readings: each names another"),
        (lambda: Published("f1", avg=0.5, prevalence=0.5).freeze(), "prevalence: a share"),
        (lambda: Published("f1", avg=0.5, scored=(75,)).freeze(), "scored: how many positives and how many negatives"),
        (
            lambda: dataclasses.replace(make().rows[0], published=(PAPER, Published("mae", 1.0, readings=("f1",)))),
            "more than one entry",
        ),
    ],
)
def test_a_report_that_does_not_fit_together_is_refused(change: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        change()


def test_the_config_stands_on_the_page_as_json(workdir: Path) -> None:
    folder, _ = write(make(), workdir)
    markdown = (folder / "report.md").read_text()
    block = markdown[markdown.index("```json\n") + 8 :]
    assert json.loads(block[: block.index("```")]) == {"seeds": {"count": 3}}
