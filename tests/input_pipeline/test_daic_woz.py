"""DAIC-WOZ: every known defect has its rule, every fault its one line, and healthy sessions come through unharmed."""

import re

import numpy as np
import pytest
import soundfile

from input_pipeline.corpora import open_corpus
from input_pipeline.corpora.daic_woz import DaicWoz
from input_pipeline.errors import DataError
from input_pipeline.recording import INTERVIEWER, PARTICIPANT


def scanned(daic):
    return {session.id: session for session in DaicWoz(daic.root).scan()}


def only(daic, number=300):
    """The recording of a session that must have no error, and the names of the rules applied to it."""
    session = scanned(daic)[str(number)]
    assert session.recording is not None, session.findings
    assert all(finding.severity == "applied" for finding in session.findings)
    return session.recording, {finding.rule for finding in session.findings}


def error(daic, rule, number="300"):
    """The one line of the error that the session (or file) must have."""
    session = scanned(daic)[str(number)]
    assert session.recording is None
    lines = [finding.message for finding in session.findings if finding.severity == "error" and finding.rule == rule]
    assert lines, session.findings
    assert "\n" not in lines[0]
    with pytest.raises(DataError):
        DaicWoz(daic.root).recordings()
    return lines[0]


def words(recording, speaker=PARTICIPANT):
    return [segment.text for segment in recording.segments if segment.speaker == speaker]


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


# ---- a healthy session ----


def test_a_healthy_session_is_read_as_written(daic):
    folder = daic.session(300, score=13, gender=1)
    (folder / "300_COVAREP.csv").touch()
    recording, rules = only(daic)
    assert rules == set()
    assert [(part.start_s, part.stop_s) for part in recording.segments] == [
        (1.0, 2.0),
        (2.5, 4.0),
        (4.5, 5.0),
        (5.5, 7.5),
    ]
    assert words(recording) == ["i am fine", "because of my dog"]
    assert words(recording, INTERVIEWER) == ["how are you", "why"]
    assert (recording.id, recording.participant, recording.split) == ("300", "300", "train")
    assert recording.metadata == {"gender": "female"}
    assert recording.tracks == {"covarep": folder / "300_COVAREP.csv"}
    assert recording.audio == folder / "300_AUDIO.wav"


def test_labels_are_the_class_the_score_and_the_items(daic):
    daic.session(300, score=13)
    labels = only(daic)[0].labels
    assert labels["depressed"] == "depressed"
    assert labels["phq8_score"] == 13.0
    assert sum(value for task, value in labels.items() if task not in ("depressed", "phq8_score")) == 13.0
    assert len(labels) == 10
    assert DaicWoz.classes["depressed"].index("depressed") == 1


@pytest.mark.parametrize(("score", "label"), [(9, "healthy"), (10, "depressed")])
def test_depressed_begins_at_ten(daic, score, label):
    daic.session(300, score=score)
    assert only(daic)[0].labels["depressed"] == label


def test_no_participant_stands_in_two_splits(daic):
    for number, split in ((300, "train"), (301, "dev"), (302, "test"), (303, "train")):
        daic.session(number, split=split)
    recordings = DaicWoz(daic.root).recordings()
    by_split = {
        split: {item.participant for item in recordings if item.split == split} for split in ("train", "dev", "test")
    }
    assert by_split == {"train": {"300", "303"}, "dev": {"301"}, "test": {"302"}}


def test_the_order_does_not_depend_on_the_split_files(daic):
    for number in (305, 301, 303):
        daic.session(number)
    assert [recording.id for recording in DaicWoz(daic.root).recordings()] == ["301", "303", "305"]


# ---- variants of the distribution that must not matter ----


@pytest.mark.parametrize("name", ["participant_ID", "PARTICIPANT_ID", " Participant_ID "])
def test_the_case_of_the_id_column_does_not_matter(daic, name):
    daic.session(300)
    edit(daic.split_path("train"), "Participant_ID", name)
    assert only(daic)[1] == set()


def test_byte_order_marks_and_windows_line_ends_do_not_matter(daic):
    daic.session(300)
    before = only(daic)[0]
    for path in (daic.transcript_path(300), daic.split_path("train")):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert only(daic)[0] == before


def test_blank_lines_and_rows_out_of_order_do_not_matter(daic):
    daic.session(300)
    before = only(daic)[0]
    lines = daic.transcript_path(300).read_text().splitlines()
    daic.transcript_path(300).write_text("\n".join([lines[0], "", *reversed(lines[1:]), "\t\t\t", "", ""]))
    assert only(daic)[0] == before


@pytest.mark.parametrize("suffix", ["txt", "csv"])
def test_clnf_tracks_are_found_under_both_suffixes(daic, suffix):
    folder = daic.session(300)
    for kind in ("features", "features3D", "gaze", "pose", "AUs"):
        (folder / f"300_CLNF_{kind}.{suffix}").touch()
    tracks = only(daic)[0].tracks
    assert sorted(tracks) == ["clnf_aus", "clnf_features", "clnf_features3d", "clnf_gaze", "clnf_pose"]
    assert tracks["clnf_aus"].name == f"300_CLNF_AUs.{suffix}"


def test_quotes_in_the_words_are_words(daic):
    daic.session(300, [(1, 2, "Ellie", "hi"), (3, 4, "Participant", '"hello'), (5, 6, "Participant", 'i said "no"')])
    assert words(only(daic)[0]) == ['"hello', 'i said "no"']


# ---- the rules: known defects ----


@pytest.mark.parametrize("number", [342, 394, 398, 460])
@pytest.mark.parametrize("listed", [True, False])
def test_absent_sessions_are_reported_and_no_error(daic, number, listed):
    daic.session(300)
    if listed:
        daic.rows["train"].append(f"{number},0,0,0,0,0,0,0,0,0,0,0")
        daic.write_splits()
    session = scanned(daic)[str(number)]
    assert [(finding.severity, finding.rule) for finding in session.findings] == [("applied", "absent-session")]
    assert len(DaicWoz(daic.root).recordings()) == 1


@pytest.mark.parametrize("number", [451, 458, 480])
def test_sessions_without_interviewer_rows_are_the_participants(daic, number):
    daic.session(number, [row for row in daic.dialogue if row[2] == "Participant"])
    recording, rules = only(daic, number)
    assert rules == {"no-interviewer-rows"}
    assert words(recording) == ["i am fine", "because of my dog"]


@pytest.mark.parametrize(("number", "offset_s"), [(318, 34.319917), (321, 3.8379167), (341, 6.1892), (362, 16.8582)])
def test_early_transcripts_are_moved_to_the_audio(daic, number, offset_s):
    daic.session(number, seconds=45)
    recording, rules = only(daic, number)
    assert rules == {"transcript-offset"}
    np.testing.assert_allclose([part.start_s for part in recording.segments], np.array([1.0, 2.5, 4.5, 5.5]) + offset_s)
    np.testing.assert_allclose([part.stop_s for part in recording.segments], np.array([2.0, 4.0, 5.0, 7.5]) + offset_s)


@pytest.mark.parametrize(("number", "cut"), [(373, (395, 428)), (444, (286, 387))])
def test_interruptions_are_cut(daic, number, cut):
    start, stop = cut
    rows = [
        (1, 2, "Ellie", "hi (hi)"),
        (start - 9, start + 3, "Participant", "reaches in"),
        (start + 5, stop - 5, "Participant", "within"),
        (stop - 2, stop + 4, "Participant", "reaches out"),
        (stop + 5, stop + 6, "Participant", "after"),
    ]
    daic.session(number, rows, seconds=stop + 7)
    recording, rules = only(daic, number)
    assert rules == {"interruption", "prompt-name"}
    assert [(part.start_s, part.stop_s) for part in recording.segments[1:]] == [
        (start - 9, start),
        (stop, stop + 4),
        (stop + 5, stop + 6),
    ]


def test_409_is_depressed(daic):
    daic.session(409, score=10, binary=0)
    recording, rules = only(daic, 409)
    assert recording.labels["depressed"] == "depressed"
    assert rules == {"wrong-label"}


def test_talk_before_the_interviewer_begins_is_left_out(daic):
    daic.session(300, [(0.1, 0.4, "Participant", "is it on"), *daic.dialogue])
    recording, rules = only(daic)
    assert rules == {"talk-before-interview"}
    assert recording.segments[0].text == "how are you"


@pytest.mark.parametrize("cell", ["", "NaN"])
def test_a_missing_item_is_absent_and_reported(daic, cell):
    daic.session(319, score=13)
    daic.rows["train"] = [f"319,1,13,1,2,1,{cell},1,1,2,3,1"]
    daic.write_splits()
    recording, rules = only(daic, 319)
    assert rules == {"missing-phq8-item"}
    assert "phq8_sleep" not in recording.labels
    assert recording.labels["phq8_tired"] == 1.0


def test_apple_double_entries_are_ignored(daic):
    folder = daic.session(300)
    (folder / "._300_TRANSCRIPT.csv").write_bytes(b"\x00\x05\x16\x07\xff")
    (daic.root / "._300_P").write_bytes(b"\x00")
    (daic.root / "._301_P").mkdir()
    assert only(daic)[1] == {"apple-double"}
    assert len(DaicWoz(daic.root).recordings()) == 1


def test_the_short_video_of_402_is_reported(daic):
    folder = daic.session(402)
    (folder / "402_CLNF_AUs.txt").touch()
    assert only(daic, 402)[1] == {"short-video"}


def test_folders_in_no_split_file_are_reported(daic):
    daic.session(300)
    (daic.root / "301_P").mkdir()
    assert [finding.rule for finding in scanned(daic)["301"].findings] == ["unlisted-session"]
    assert len(DaicWoz(daic.root).recordings()) == 1


# ---- the rules: the words ----


def test_prompt_names_go_above_session_363(daic):
    rows = [
        (1, 2, "Ellie", "yeah3 (yeah)"),
        (2, 3, "Participant", "well (sort of)"),
        (3, 4, "Ellie", "why2 (why (really))"),
    ]
    daic.session(364, rows)
    recording, rules = only(daic, 364)
    assert rules == {"prompt-name"}
    assert words(recording, INTERVIEWER) == ["yeah", "why (really)"]
    assert words(recording) == ["well (sort of)"]


def test_prompt_names_stay_up_to_session_363(daic):
    daic.session(363, [(1, 2, "Ellie", "okay (laughs)"), (2, 3, "Participant", "yes")])
    assert words(only(daic, 363)[0], INTERVIEWER) == ["okay (laughs)"]


@pytest.mark.parametrize(
    ("transcribed", "spoken"),
    [
        ("<laughter> i do", "i do"),
        ("i do [laughter]", "i do"),
        ("many people <peop> came", "many people came"),
        ("i xxx do", "i do"),
        ("xxx", ""),
        ("<clears throat> well  then", "well then"),
        ("i do <laughter", "i do"),
        ("well [sync] yes", "well yes"),
        ("max xxxl", "max xxxl"),
    ],
)
def test_marks_go_and_words_stay(daic, transcribed, spoken):
    daic.session(300, [*daic.dialogue, (7.6, 7.9, "Participant", transcribed)])
    assert words(only(daic)[0])[-1] == spoken


@pytest.mark.parametrize(
    "mark", ["<sync>", "<synch>", "[sync]", "[synch]", "[syncing]", "[synching]", "<Sync>", " <sync> ", "<sync."]
)
def test_synchronisation_rows_are_no_speech(daic, mark):
    daic.session(300, [*daic.dialogue, (7.6, 7.9, "Participant", mark)])
    recording, rules = only(daic)
    assert rules == {"sync-row"}
    assert len(recording.segments) == 4


def test_scrubbed_entries_are_left_out(daic):
    daic.session(300, [*daic.dialogue, (7.6, 7.9, "Participant", "scrubbed_entry")])
    recording, rules = only(daic)
    assert rules == {"scrubbed-entry"}
    assert words(recording)[-1] == "because of my dog"


def test_a_turn_of_no_length_is_left_out(daic):
    daic.session(300, [*daic.dialogue, (7.6, 7.6, "Participant", "mhm")])
    recording, rules = only(daic)
    assert rules == {"zero-length-turn"}
    assert all(part.stop_s > part.start_s for part in recording.segments)


def test_a_turn_a_little_past_the_audio_is_clipped(daic):
    daic.session(300, [*daic.dialogue, (7.6, 9.0, "Participant", "bye"), (8.5, 9.5, "Participant", "bye bye")])
    recording, rules = only(daic)
    assert rules == {"turn-past-audio"}
    assert (recording.segments[-1].start_s, recording.segments[-1].stop_s) == (7.6, 8.0)


# ---- the rules of single sessions belong to the real corpus ----


@pytest.mark.parametrize(
    ("marker", "applies"), [(None, True), ({}, False), ({"defects": False}, False), ({"defects": True}, True)]
)
def test_a_stand_in_is_read_without_the_corrections_of_single_sessions(daic, marker, applies):
    daic.session(318, seconds=45)
    if marker is not None:
        daic.mark_synthetic(**marker)
    recording, rules = only(daic, 318)
    assert (rules == {"transcript-offset"}) is applies
    assert recording.segments[0].start_s == (35.319917 if applies else 1.0)
    assert ("342" in scanned(daic)) is applies
    assert DaicWoz(daic.root).synthetic is (marker is not None)


def test_409_of_a_stand_in_is_an_error(daic):
    daic.session(409, score=10, binary=0)
    daic.mark_synthetic()
    assert "contradicts" in error(daic, "contradictory-label", 409)


def test_a_broken_marker_is_named(daic):
    daic.session(300)
    (daic.root / "SYNTHETIC.json").write_text("{")
    with pytest.raises(DataError, match=r"SYNTHETIC\.json"):
        DaicWoz(daic.root).recordings()


@pytest.mark.parametrize("kind", ["folder", "loop", "device", "deep"])
def test_a_marker_that_is_no_file_never_lets_a_stand_in_pass_as_real(daic, kind):
    daic.session(300)
    marker = daic.root / "SYNTHETIC.json"
    if kind == "folder":
        marker.mkdir()
    elif kind == "deep":
        marker.write_text("[" * 100_000)
    else:
        marker.symlink_to(marker if kind == "loop" else "/dev/zero")
    corpus = DaicWoz(daic.root)
    assert corpus.synthetic
    with pytest.raises(DataError, match=r"SYNTHETIC\.json"):
        corpus.recordings()


# ---- the test split ----


def test_the_test_split_has_no_labels_without_their_file(daic):
    daic.session(300)
    daic.session(301, split="test")
    recording, _ = only(daic, 301)
    assert recording.labels == {}
    assert recording.metadata == {"gender": "female"}


@pytest.mark.parametrize("with_list", [True, False])
def test_the_test_labels_come_from_their_own_file(daic, with_list):
    daic.session(300)
    daic.session(301, split="test")
    (daic.root / "full_test_split.csv").write_text("Participant_ID,PHQ_Binary,PHQ_Score,Gender\n301,1,20,1\n")
    if not with_list:
        daic.split_path("test").unlink()
    recording, _ = only(daic, 301)
    assert recording.labels == {"depressed": "depressed", "phq8_score": 20.0}
    assert (recording.split, recording.metadata) == ("test", {"gender": "female"})


@pytest.mark.parametrize(
    ("rows", "where", "rule", "line"),
    [
        ("301,0,20,1\n", "301", "contradictory-label", 2),
        ("301,1,25,1\n", "301", "label-out-of-range", 2),
        ("", "301", "missing-test-label", None),
        ("301,1,20,1\n301,0,1,1\n", "301", "duplicate-id", 3),
        ("301,1,20,1\n300,1,20,1\n", "full_test_split.csv", "unknown-test-session", 3),
        ("301,1,20,1\n302,1,20,1\n", "full_test_split.csv", "unknown-test-session", 3),
    ],
)
def test_faults_in_the_test_labels(daic, rows, where, rule, line):
    daic.session(300)
    daic.session(301, split="test")
    (daic.root / "full_test_split.csv").write_text("Participant_ID,PHQ_Binary,PHQ_Score,Gender\n" + rows)
    found = error(daic, rule, where)
    assert "full_test_split.csv" in found
    assert line is None or f"line {line}:" in found


# ---- errors: one line that names the file, and the line or field ----


def test_a_missing_corpus_names_the_folder_and_the_command(tmp_path):
    with pytest.raises(DataError) as caught:
        open_corpus("daic_woz", tmp_path)
    assert str(tmp_path / "daic_woz") in str(caught.value)
    assert f"python -m input_pipeline.synthesize --corpus=daic_woz --data_dir={tmp_path}" in str(caught.value)


def test_missing_wav(daic):
    (daic.session(300) / "300_AUDIO.wav").unlink()
    assert "300_AUDIO.wav" in error(daic, "missing-audio")


def test_truncated_wav(daic):
    path = daic.session(300) / "300_AUDIO.wav"
    path.write_bytes(path.read_bytes()[:5000])
    assert "300_AUDIO.wav" in error(daic, "truncated-audio")


def test_a_wav_much_shorter_than_the_interview(daic):
    path = daic.session(300, [*daic.dialogue, (20.0, 21.0, "Participant", "still here")]) / "300_AUDIO.wav"
    assert soundfile.info(path).duration == 8.0
    assert "ends at 21.0 s, the audio at 8.0 s" in error(daic, "transcript-past-audio")


def test_missing_transcript(daic):
    daic.session(300)
    daic.transcript_path(300).unlink()
    assert "300_TRANSCRIPT.csv" in error(daic, "missing-file")


def test_missing_folder_of_a_listed_session(daic):
    daic.session(300)
    daic.rows["dev"].append("301,0,0,0,0,0,0,0,0,0,0,0")
    daic.write_splits()
    found = error(daic, "missing-session", 301)
    assert "dev_split_Depression_AVEC2017.csv, line 2" in found
    assert "301_P" in found


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ("2.5\t4.0\tParticipant", "4 tab-separated columns expected, 3 found"),
        ("2.5\t4.0\tParticipant\ti am\tfine", "5 found"),
        ("2.5 4.0 Participant fine", "1 found"),
        ("two\t4.0\tParticipant\tfine", "start_time is 'two'"),
        ("2.5\t\tParticipant\tfine", "stop_time is ''"),
        ("2.5\tnan\tParticipant\tfine", "stop_time is 'nan'"),
        ("2.5\tinf\tParticipant\tfine", "stop_time is 'inf'"),
        ("-2.5\t4.0\tParticipant\tfine", "start_time is '-2.5'"),
        ("4.5\t4.0\tParticipant\tfine", "stop_time 4.0 is before start_time 4.5"),
        ("2.5\t4.0\tBob\tfine", "speaker is 'Bob'"),
    ],
)
def test_broken_transcript_rows(daic, row, found):
    daic.session(300)
    edit(daic.transcript_path(300), "2.5\t4.0\tParticipant\ti am fine", row)
    line = error(daic, "broken-transcript-row")
    assert "300_TRANSCRIPT.csv, line 3: " in line
    assert found in line


def test_every_broken_row_is_told(daic):
    daic.session(300)
    path = daic.transcript_path(300)
    path.write_text(path.read_text().replace("Participant", "Bob"))
    lines = [finding.message for finding in scanned(daic)["300"].findings if finding.rule == "broken-transcript-row"]
    assert [int(re.search(r"line (\d+)", line).group(1)) for line in lines] == [3, 5]


@pytest.mark.parametrize("file", ["transcript", "split"])
def test_bytes_that_are_not_utf_8(daic, file):
    daic.session(300)
    path = daic.transcript_path(300) if file == "transcript" else daic.split_path("train")
    content = path.read_bytes()
    path.write_bytes(content[:-4] + b"\xe9" + content[-4:])
    line = error(daic, "not-utf-8", "300" if file == "transcript" else path.name)
    assert f"{path}, line {content.count(10)}: byte 0xe9" in line


def test_an_apple_double_file_in_the_place_of_the_transcript(daic):
    daic.session(300)
    daic.transcript_path(300).write_bytes(b"\x00\x05\x16\x07\x00\x02\x00\x00\xb0")
    assert "AppleDouble" in error(daic, "not-utf-8")


@pytest.mark.parametrize("text", ["", "start_time,stop_time,speaker,value\n", "1.0\t2.0\tEllie\thi\n"])
def test_a_transcript_without_its_header(daic, text):
    daic.session(300)
    daic.transcript_path(300).write_text(text)
    assert "300_TRANSCRIPT.csv, line 1" in error(daic, "no-header")


@pytest.mark.parametrize(
    "rows", [[], [(1, 2, "Ellie", "hello")], [(1, 2, "Ellie", "a"), (3, 4, "Participant", "<laughter>")]]
)
def test_a_participant_who_says_nothing(daic, rows):
    daic.session(300, rows)
    assert "300_TRANSCRIPT.csv" in error(daic, "empty-participant")


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_missing_split_file(daic, split):
    daic.session(300)
    daic.split_path(split).unlink()
    assert str(daic.split_path(split)) in error(daic, "missing-file", daic.split_path(split).name)


@pytest.mark.parametrize("column", ["Participant_ID", "PHQ8_Binary", "PHQ8_Score", "Gender", "PHQ8_Moving"])
def test_a_split_file_without_a_column(daic, column):
    daic.session(300)
    edit(daic.split_path("train"), column, "Other")
    assert f"no column {column}" in error(daic, "missing-column", daic.split_path("train").name)


def test_a_split_file_with_a_short_row(daic):
    daic.session(300)
    daic.rows["train"].append("301,0")
    daic.write_splits()
    path = daic.split_path("train")
    assert f"{path}, line 3: 12 columns expected, 2 found" in error(daic, "wrong-column-count", path.name)


@pytest.mark.parametrize(
    ("row", "rule", "column"),
    [
        ("300,0,-1,0,0,0,0,0,0,0,0,0", "label-out-of-range", "PHQ8_Score"),
        ("300,1,25,0,0,0,0,0,0,0,0,0", "label-out-of-range", "PHQ8_Score"),
        ("300,0,4.5,0,0,0,0,0,0,0,0,0", "label-out-of-range", "PHQ8_Score"),
        ("300,0,,0,0,0,0,0,0,0,0,0", "label-out-of-range", "PHQ8_Score"),
        ("300,0,four,0,0,0,0,0,0,0,0,0", "label-out-of-range", "PHQ8_Score"),
        ("300,2,4,0,0,0,0,0,0,0,0,0", "label-out-of-range", "PHQ8_Binary"),
        ("300,0,4,0,4,0,0,0,0,0,0,0", "label-out-of-range", "PHQ8_NoInterest"),
        ("300,0,4,2,1,1,1,1,0,0,0,0", "label-out-of-range", "Gender"),
        ("300,1,4,0,1,1,1,1,0,0,0,0", "contradictory-label", "PHQ8_Binary"),
        ("300,0,10,0,3,3,3,1,0,0,0,0", "contradictory-label", "PHQ8_Binary"),
        ("300,0,4,0,1,1,1,0,0,0,0,0", "contradictory-label", "PHQ8_Score"),
    ],
)
def test_labels_that_cannot_be(daic, row, rule, column):
    daic.session(300)
    daic.rows["train"] = [row]
    daic.write_splits()
    line = error(daic, rule)
    assert "train_split_Depression_AVEC2017.csv, line 2" in line
    assert column in line


def test_a_session_listed_twice(daic):
    daic.session(300)
    daic.rows["train"] *= 2
    daic.write_splits()
    assert "line 3" in error(daic, "duplicate-id")


@pytest.mark.parametrize("other", ["dev", "test"])
def test_a_participant_in_two_splits(daic, other):
    daic.session(300)
    if other == "dev":
        daic.rows["dev"] = daic.rows["train"]
    else:
        daic.test_ids = [300]
    daic.write_splits()
    assert "train" in error(daic, "participant-in-two-splits")


def test_split_files_that_list_nobody(daic):
    daic.write_splits()
    assert str(daic.root) in error(daic, "empty-corpus", "daic_woz")


def test_one_broken_session_does_not_hide_the_others(daic):
    (daic.session(300) / "300_AUDIO.wav").unlink()
    daic.session(301, [])
    daic.session(302)
    found = scanned(daic)
    assert found["300"].recording is None
    assert found["301"].recording is None
    assert found["302"].recording is not None
