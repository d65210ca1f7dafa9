"""What a config asks of its data and the corpus cannot give is told at the start; what is left out stands on the page."""

import json

import pytest

CONFIG = """
from input_pipeline.batching import Arrangement
from input_pipeline.features import Metadata, Segmentation, Sentences, Words
from jaxdep.config import BaselineStage, Data, Experiment, Folds, Splits, Task


def get_config(variant: str = "") -> Experiment:
    feature = {
        "context": Sentences(dim=8, context=3),
        "speakers": Sentences(dim=8, segmentation=Segmentation(speakers=("Ellie",))),
        "metadata": Metadata(field="age", edges=(30.0,)),
        "glove": Words(encoder="glove", checkpoint="v.txt", dim=2),
    }.get(variant, Sentences(dim=8, segmentation=Segmentation(min_s=0.5)))
    everybody = {"by": "participant", "train": (), "validation": (), "test": ()}
    splits = {
        "split": Splits(test=("tst",)),
        "folds": Splits(folds=Folds(by="site")),
        "leaky": Splits(**everybody, test_fraction=0.25, validation_fraction=0.25, leaky=True),
    }.get(variant, Splits())
    level = {
        "metadata": Arrangement(level="vector"),
        "cut": Arrangement(max_segments=2),
        "leaky": Arrangement(level="windows", window_s=1.0),
    }
    data = Data(
        corpus="manifest:talks.csv",
        classes={"depressed": ("no", "yes")},
        features={"x": feature},
        arrangements={"x": level.get(variant, Arrangement())},
        splits=splits,
        file_format="array_record",
    )
    kind = variant if variant in ("gender", "logistic") else "majority"
    row = {"data": data, "tasks": {"depressed": Task()}, "metrics": ("accuracy",)}
    return Experiment(name="x", title="X", stages={"row": BaselineStage(label="Row", kind=kind, **row)})
"""


def write(folder, turns: int, test_label: str = "yes"):
    """Sixteen recordings of so many turns of a second, the last of which lasts 0.2 s where there are several."""
    lines = ["id,participant,split,text,start,stop,depressed"]
    for number in range(16):
        split = ("train", "train", "dev", "test")[number % 4]
        label = test_label if split == "test" else ("no", "yes")[number // 4 % 2]
        for turn in range(turns):
            stop = turn + (0.2 if turn and turn == turns - 1 else 1.0)
            lines.append(f"r{number},p{number},{split},a b c,{turn},{stop},{label}")
    (folder / "data").mkdir()
    (folder / "data" / "talks.csv").write_text("\n".join(lines) + "\n")
    (folder / "c.py").write_text(CONFIG)


@pytest.mark.parametrize(
    ("variant", "line"),
    [
        ("context", "config.stages.row.data.features.x.context: 3 utterances around each are asked for"),
        ("speakers", "config.stages.row.data.features.x.segmentation.speakers: the corpus has no speaker 'Ellie'"),
        ("metadata", "config.stages.row.data.features.x.field: no recording of the corpus tells its 'age'"),
        ("gender", "config.stages.row: it needs the gender of each recording, and that of r0 is not known"),
        ("split", "splits.test: the corpus has no split 'tst'; it has: dev, test, train"),
        ("folds", "splits.folds.by: the corpus has no 'site'"),
        ("report", "config.stages.row.report: nobody in test has the label 'depressed'"),
    ],
)
def test_it_is_told_before_any_feature_is_made(jaxdep_main, tmp_path, variant, line):
    write(tmp_path, turns=1, test_label="" if variant == "report" else "yes")
    arguments = (f"--config=c.py:{variant}", "--workdir=w", "--data_dir=data", "--features_dir=features")
    ended = jaxdep_main(*arguments, cwd=tmp_path)
    assert ended.code == 1
    assert line in ended.complaint
    assert not (tmp_path / "features").exists()


def test_windows_are_divided_where_too_few_recordings_are_of_a_class_to_divide(jaxdep_main, tmp_path):
    write(tmp_path, turns=6)
    first, *others = (tmp_path / "data/talks.csv").read_text().splitlines()
    labelled = [f"{line.rpartition(',')[0]},{'yes' if line.startswith('r0,') else 'no'}" for line in others]
    (tmp_path / "data/talks.csv").write_text("\n".join([first, *labelled]) + "\n")
    arguments = ("--config=c.py:leaky", "--workdir=w", "--data_dir=data", "--features_dir=features")
    ended = jaxdep_main(*arguments, cwd=tmp_path)
    assert ended.code == 0, ended.err
    assert "Row (LEAKY)" in (tmp_path / "w/report/report.md").read_text()


def test_what_is_left_out_is_warned_of_recorded_and_shown(jaxdep_main, tmp_path):
    write(tmp_path, turns=4)
    arguments = ("--config=c.py:cut", "--workdir=w", "--data_dir=data", "--features_dir=features")
    ended = jaxdep_main(*arguments, cwd=tmp_path)
    assert ended.code == 0, ended.err
    short = "x: 16 of 64 segments (25.0 %) are shorter than min_s=0.5 and dropped, in 16 of 16 recordings."
    many = "x: 16 of 48 segments (33.3 %) are left out by max_segments=2, in 16 of 16 recordings."
    warnings = [line for line in ended.out.splitlines() if line.startswith("WARNING")]
    assert warnings == [f"WARNING: stages.row, manifest:talks.csv: {one}" for one in (short, many)]
    data = json.loads((tmp_path / "w/stages/row/stage.json").read_text())["data"]
    assert (data["recordings"], data["participants"], data["splits"]) == (16, 16, {"dev": 4, "test": 4, "train": 8})
    assert [(one["lost"], one["of"]) for one in data["left_out"]] == [(16, 64), (16, 48)]
    for page in ("report.html", "report.md"):
        text = (tmp_path / "w/report" / page).read_text().replace("\\_", "_")
        hashed = "x: words are hashed: the vectors know their spelling"  # the manifest is no stand-in
        for sentence in ("16 recordings of 16 participants: dev 4, test 4, train 8.", short, many, hashed):
            assert sentence in text


def test_words_are_looked_up_in_a_file_of_the_data_folder(jaxdep_main, tmp_path):
    write(tmp_path, turns=1)
    arguments = ("--config=c.py:glove", "--workdir=w", "--data_dir=data", "--features_dir=features")
    ended = jaxdep_main(*arguments, cwd=tmp_path)
    assert "config.stages.row.data.features.x.checkpoint: v.txt: no such file of word vectors" in ended.complaint
    (tmp_path / "data/v.txt").write_text("a 1 2\nb 3 4\nc 5 6\n")
    assert jaxdep_main(*arguments, cwd=tmp_path).code == 0
    assert "words are hashed" not in (tmp_path / "w/report/report.html").read_text()


def test_who_is_in_no_split_and_who_has_no_label_is_counted(jaxdep_main, tmp_path):
    write(tmp_path, turns=1)
    lines = (tmp_path / "data/talks.csv").read_text().splitlines()
    lines[1] = lines[1].removesuffix("no")
    lines += ["r16,p16,spare,a b c,0,1,no"]
    (tmp_path / "data/talks.csv").write_text("\n".join(lines) + "\n")
    arguments = ("--config=c.py:logistic", "--workdir=w", "--data_dir=data", "--features_dir=features")
    assert jaxdep_main(*arguments, cwd=tmp_path).code == 0
    left_out = json.loads((tmp_path / "w/stages/row/stage.json").read_text())["data"]["left_out"]
    assert [(one["why"], one["lost"], one["of"]) for one in left_out] == [
        ("stand in none of the splits that are used", 1, 17),
        ("have no label 'depressed'", 1, 16),
    ]


UTTERANCES = """
from input_pipeline.batching import Arrangement
from input_pipeline.features import Words
from jaxdep.config import BaselineStage, Data, Experiment, StandIn, Task


def get_config(variant: str = "") -> Experiment:
    data = Data(
        corpus="daic_woz_utterances",
        stand_in=StandIn(sessions=10),
        features={"x": Words(dim=8)},
        arrangements={"x": Arrangement(level="frames")},
        file_format="array_record",
    )
    row = {"data": data, "tasks": {variant: Task()}, "metrics": ("accuracy",)}
    return Experiment(name="x", title="X", stages={"row": BaselineStage(label="Row", kind="majority", **row)})
"""


def test_where_no_utterance_has_an_emotion_the_line_says_what_to_put_where(tmp_path, jaxdep_main):
    (tmp_path / "c.py").write_text(UTTERANCES)
    ended = jaxdep_main("--config=c.py:emotion", "--workdir=run", "--data_dir=data", cwd=tmp_path)
    assert ended.code == 1
    assert (
        "config.stages.row.tasks: no recording of daic_woz_utterances has the label 'emotion'; put a file "
        in ended.complaint
    )
    assert "daic_woz/utterance_emotions.csv there, with the columns session, turn, emotion" in ended.complaint
    assert jaxdep_main("--config=c.py:depressed", "--workdir=run", "--data_dir=data", cwd=tmp_path).code == 0
