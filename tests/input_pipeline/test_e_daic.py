"""E-DAIC: the layouts of its copies, labels that follow the questionnaires, and one line for every fault."""

import re

import numpy as np
import pytest
import soundfile

from input_pipeline.corpora import open_corpus
from input_pipeline.corpora.e_daic import UNKNOWN_SPEAKER, EDaic
from input_pipeline.errors import DataError
from input_pipeline.features.segmentation import Segmentation
from input_pipeline.validate import validate

SPLIT_HEADER = "Participant_ID,Gender,PHQ_Binary,PHQ_Score,PCL-C (PTSD),PTSD Severity\n"
ITEMS_HEADER = (
    "Participant_ID,PHQ_8NoInterest,PHQ_8Depressed,PHQ_8Sleep,PHQ_8Tired,PHQ_8Appetite,PHQ_8Failure,"
    "PHQ_8Concentrating,PHQ_8Moving,PHQ_8Total\n"
)
HEADER = "Start_Time,End_Time,Text,Confidence\n"
ROWS = (
    '14.3,15.1,"so, I\'m going to",0.93\n',
    "20.3,21.3,interview in Spanish,0.83\n",
    "23.9,24.3,okay,0.96\n",
)
TRANSCRIPT = HEADER + "".join(ROWS)


class EDaicFolder:
    """Writes the corpus's files below `root`, its labels into `labels_folder`."""

    def __init__(self, root):
        self.root = root
        self.labels_folder = root
        self.rows = {"train": [], "dev": [], "test": []}

    def session(self, number, row="male,0,4,0,28", split="train", text=TRANSCRIPT, folder=None):
        folder = folder or self.root / f"{number}_P"
        folder.mkdir(parents=True)
        (folder / f"{number}_Transcript.csv").write_text(text)
        samples = 0.1 * np.random.default_rng(number).standard_normal(25 * 8000)
        soundfile.write(folder / f"{number}_AUDIO.wav", samples, 8000)
        self.rows[split].append(f"{number},{row}")
        self.write_splits()
        return folder

    def write_splits(self):
        self.labels_folder.mkdir(exist_ok=True)
        for split, rows in self.rows.items():
            self.split_path(split).write_text(SPLIT_HEADER + "".join(f"{row}\n" for row in rows))

    def split_path(self, split):
        return self.labels_folder / f"{split}_split.csv"

    def write_items(self, *rows):
        (self.labels_folder / "Detailed_PHQ8_Labels.csv").write_text(ITEMS_HEADER + "".join(f"{row}\n" for row in rows))


@pytest.fixture
def edaic(tmp_path):
    return EDaicFolder(tmp_path / "e_daic")


def scanned(edaic):
    return {session.id: session for session in EDaic(edaic.root).scan()}


def only(edaic, number=300):
    """The recording of a session that must have no error, and the names of the rules applied to it."""
    session = scanned(edaic)[str(number)]
    assert session.recording is not None, session.findings
    assert all(finding.severity == "applied" for finding in session.findings)
    return session.recording, {finding.rule for finding in session.findings}


def error(edaic, rule, number="300"):
    """The one line of the error that the session (or file) must have."""
    session = scanned(edaic)[str(number)]
    assert session.recording is None
    lines = [finding.message for finding in session.findings if finding.severity == "error" and finding.rule == rule]
    assert lines, session.findings
    assert "\n" not in lines[0]
    with pytest.raises(DataError):
        EDaic(edaic.root).recordings()
    return lines[0]


# ---- a healthy session, and copies that differ ----


def test_a_session_is_read_as_written(edaic):
    folder = edaic.session(300, "female,1,13,1,60", split="dev")
    recording, rules = only(edaic)
    assert rules == set()
    assert (recording.id, recording.participant, recording.split) == ("300", "300", "dev")
    assert [(part.start_s, part.stop_s, part.text) for part in recording.segments] == [
        (14.3, 15.1, "so, I'm going to"),
        (20.3, 21.3, "interview in Spanish"),
        (23.9, 24.3, "okay"),
    ]
    assert recording.labels == {"depressed": "depressed", "phq8_score": 13.0, "ptsd": "ptsd", "ptsd_severity": 60.0}
    assert recording.metadata == {"gender": "female"}
    assert recording.audio == folder / "300_AUDIO.wav"
    assert EDaic.classes == {"depressed": ("healthy", "depressed"), "ptsd": ("healthy", "ptsd")}


def test_who_speaks_is_unknown_and_a_segmentation_must_say_so(edaic):
    edaic.session(300)
    recording, _ = only(edaic)
    with pytest.raises(DataError, match="0 are by participant"):
        Segmentation().apply(recording)
    for speakers in ((), (UNKNOWN_SPEAKER,)):
        assert Segmentation(speakers=speakers).apply(recording) == recording.segments


@pytest.mark.parametrize(
    ("cell", "gender"), [("male", "male"), ("Female", "female"), ("0", "male"), ("1", "female"), ("1.0", None)]
)
def test_genders_are_words_or_numbers(edaic, cell, gender):
    edaic.session(300, f"{cell},0,4,0,28")
    if gender is None:
        assert "train_split.csv, line 2: Gender is '1.0'" in error(edaic, "label-out-of-range")
    else:
        assert only(edaic)[0].metadata == {"gender": gender}


def test_the_items_are_there_where_their_file_lists_the_session(edaic):
    edaic.session(300, "male,0,4,0,28")
    edaic.session(301, "male,0,4,0,28", split="test")
    edaic.write_items("300,1,0,3,0,0,0,0,0,4", "302,0,0,0,0,0,0,0,0,0")
    labels = only(edaic)[0].labels
    assert (labels["phq8_no_interest"], labels["phq8_sleep"], labels["phq8_moving"]) == (1.0, 3.0, 0.0)
    assert len(labels) == 12
    assert len(only(edaic, 301)[0].labels) == 4


def test_labels_may_lie_in_a_folder_of_their_own(edaic):
    edaic.labels_folder = edaic.root / "labels"
    edaic.root.mkdir()
    edaic.session(300)
    edaic.write_items("300,1,0,3,0,0,0,0,0,4")
    assert len(only(edaic)[0].labels) == 12


def test_a_folder_nested_in_its_like(edaic):
    folder = edaic.session(300, folder=edaic.root / "300_P" / "300_P")
    assert only(edaic)[0].audio == folder / "300_AUDIO.wav"


def test_the_precomputed_features_are_tracks(edaic):
    folder = edaic.session(300)
    (folder / "features").mkdir()
    for suffix in ("OpenSMILE2.3.0_egemaps.csv", "OpenFace2.1.0_Pose_Gaze_AUs.csv", "CNN_VGG.mat"):
        (folder / "features" / f"300_{suffix}").touch()
    (folder / "features" / "._300_vgg16.csv").touch()
    (folder / "300_densenet201.csv").touch()
    tracks = only(edaic)[0].tracks
    assert sorted(tracks) == ["cnn_vgg", "densenet201", "egemaps", "openface"]
    assert tracks["egemaps"] == folder / "features" / "300_OpenSMILE2.3.0_egemaps.csv"


def test_the_test_split_of_the_challenge_has_no_labels(edaic):
    edaic.session(300)
    edaic.session(600, split="test")
    edaic.split_path("test").write_text("Participant_ID,Gender\n600,female\n")
    recording, rules = only(edaic, 600)
    assert (recording.labels, recording.metadata, rules) == ({}, {"gender": "female"}, set())


def test_the_validator_counts_both_tasks(edaic, capsys):
    edaic.session(300)
    edaic.session(301, "female,1,13,1,60", split="dev")
    count = validate(open_corpus("e_daic", edaic.root.parent))
    assert not count.errors
    assert count.splits == {"train": 1, "dev": 1}
    assert count.classes["ptsd"] == {"healthy": 1, "ptsd": 1}
    assert "ptsd: healthy 1, ptsd 1" in capsys.readouterr().out.splitlines()[-1]


# ---- rules applied ----


@pytest.mark.parametrize(("binary", "score", "label"), [(0, 10, "depressed"), (1, 9, "healthy")])
def test_the_class_follows_the_score(edaic, binary, score, label):
    edaic.session(300, f"male,{binary},{score},0,28")
    recording, rules = only(edaic)
    assert (recording.labels["depressed"], rules) == (label, {"wrong-label"})


def test_items_that_contradict_the_score_are_left_out(edaic):
    edaic.session(300, "male,0,5,0,28")
    edaic.write_items("300,1,0,3,0,0,0,0,0,4")
    recording, rules = only(edaic)
    assert rules == {"contradictory-items"}
    assert sorted(recording.labels) == ["depressed", "phq8_score", "ptsd", "ptsd_severity"]


def test_empty_cells_are_absent_labels(edaic):
    edaic.session(300, "male,0,4,,28")
    edaic.write_items("300,1,,3,0,0,0,0,0,4")
    recording, rules = only(edaic)
    assert rules == {"missing-ptsd-label", "missing-phq8-item"}
    assert not {"ptsd", "phq8_depressed"} & recording.labels.keys()
    assert recording.labels["ptsd_severity"] == 28.0


def test_segments_past_the_audio_or_of_no_length(edaic):
    edaic.session(300, text=HEADER + "24,26,bye,0.9\n1,2,hi,0.9\n25.5,26,bye,0.9\n3,3,so,0.9\n")
    recording, rules = only(edaic)
    assert rules == {"turn-past-audio", "zero-length-turn"}
    assert [(part.start_s, part.stop_s) for part in recording.segments] == [(1.0, 2.0), (24.0, 25.0)]


def test_folders_in_no_split_file_are_reported(edaic):
    edaic.session(300)
    (edaic.root / "301_P").mkdir()
    assert [finding.rule for finding in scanned(edaic)["301"].findings] == ["unlisted-session"]
    assert len(EDaic(edaic.root).recordings()) == 1


# ---- errors ----


def test_a_missing_corpus_names_the_command(tmp_path):
    with pytest.raises(DataError, match=re.escape(f"synthesize --corpus=e_daic --data_dir={tmp_path}")):
        open_corpus("e_daic", tmp_path)


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ("male,2,4,0,28", "PHQ_Binary"),
        ("male,0,25,0,28", "PHQ_Score"),
        ("male,0,four,0,28", "PHQ_Score"),
        ("male,0,4,2,28", "PCL-C (PTSD)"),
        ("male,0,4,0,16", "PTSD Severity"),
        ("male,0,4,0,86", "PTSD Severity"),
        ("other,0,4,0,28", "Gender"),
    ],
)
def test_labels_that_cannot_be(edaic, row, column):
    edaic.session(300, row)
    line = error(edaic, "label-out-of-range")
    assert "train_split.csv, line 2: " in line
    assert column in line


@pytest.mark.parametrize("column", ["Participant_ID", "Gender", "PHQ_Binary", "PHQ_Score", "PTSD Severity"])
def test_a_split_file_without_a_column(edaic, column):
    edaic.session(300)
    path = edaic.split_path("train")
    path.write_text(path.read_text().replace(column, "Other"))
    assert f"{path}, line 1: no column {column}" in error(edaic, "missing-column", path.name)


def test_a_missing_split_file(edaic):
    edaic.session(300)
    edaic.split_path("dev").unlink()
    assert str(edaic.split_path("dev")) in error(edaic, "missing-file", "dev_split.csv")


@pytest.mark.parametrize(
    ("split", "rule"),
    [("train", "duplicate-id"), ("dev", "participant-in-two-splits"), ("test", "participant-in-two-splits")],
)
def test_a_session_listed_twice(edaic, split, rule):
    edaic.session(300)
    edaic.rows[split].append("300,male,0,4,0,28")
    edaic.write_splits()
    assert f"{split}_split.csv" in error(edaic, rule)


@pytest.mark.parametrize(
    ("rows", "where", "rule"),
    [
        (["300,4,0,0,0,0,0,0,0,4"], "300", "label-out-of-range"),
        (["300,1,0,3,0,0,0,0,0,4"] * 2, "Detailed_PHQ8_Labels.csv", "duplicate-id"),
        (["300,1,0,3"], "Detailed_PHQ8_Labels.csv", "wrong-column-count"),
    ],
)
def test_faults_in_the_items(edaic, rows, where, rule):
    edaic.session(300)
    edaic.write_items(*rows)
    assert "Detailed_PHQ8_Labels.csv, line " in error(edaic, rule, where)


def test_a_listed_session_without_folder(edaic):
    edaic.session(300)
    edaic.rows["dev"].append("301,male,0,4,0,28")
    edaic.write_splits()
    assert "dev_split.csv, line 2: session 301 has no folder" in error(edaic, "missing-session", 301)


@pytest.mark.parametrize(("name", "rule"), [("300_AUDIO.wav", "missing-audio"), ("300_Transcript.csv", "missing-file")])
def test_a_missing_file_does_not_hide_the_other_sessions(edaic, name, rule):
    (edaic.session(300) / name).unlink()
    edaic.session(301)
    assert name in error(edaic, rule)
    assert only(edaic, 301)[0].id == "301"


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ("x,15,hi,0.9", "Start_Time is 'x'"),
        ("1,nan,hi,0.9", "End_Time is 'nan'"),
        ("-1,2,hi,0.9", "Start_Time is '-1'"),
        ("3,2,hi,0.9", "End_Time 2.0 is before Start_Time 3.0"),
    ],
)
def test_broken_transcript_rows(edaic, row, found):
    edaic.session(300, text=f"{HEADER}{ROWS[0]}{row}\n")
    line = error(edaic, "broken-transcript-row")
    assert f"300_Transcript.csv, line 3: {found}" in line


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "no-header"),
        ("start_time\tstop_time\tspeaker\tvalue\n", "missing-column"),
        (HEADER, "empty-transcript"),
        (f"{HEADER}1,2,,0.9\n", "empty-transcript"),
        (f"{HEADER}1,2,hi\n", "wrong-column-count"),
        (f'{HEADER}1,2,"hi,0.9\n', "broken-csv"),
        (f"{HEADER}1,2,hi,0.9\n100,101,late,0.9\n", "transcript-past-audio"),
    ],
)
def test_transcripts_that_cannot_be(edaic, text, rule):
    edaic.session(300, text=text)
    assert "300_Transcript.csv" in error(edaic, rule)


def test_split_files_that_list_nobody(edaic):
    edaic.root.mkdir()
    edaic.write_splits()
    assert str(edaic.root) in error(edaic, "empty-corpus", "e_daic")
