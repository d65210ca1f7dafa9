"""IEMOCAP: utterances in their dialogues, the labels' lines, and one line for every fault of a copy."""

import re

import numpy as np
import pytest
import soundfile

from input_pipeline.corpora import open_corpus
from input_pipeline.corpora.iemocap import Iemocap
from input_pipeline.errors import DataError
from input_pipeline.validate import validate

NAME = "Ses01F_impro01"
HEADER = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
UTTERANCES = (  # in the order of the ids, which is not that of time: id's last part, start, stop, label, values, words
    ("F000", 6.2901, 8.2357, "neu", "2.5000, 2.5000, 2.5000", "Excuse me."),
    ("F001", 14.0, 16.0, "xxx", "2.0000, 3.0000, 3.0000", "Yeah. [LAUGHTER]"),
    ("M000", 10.01, 11.3925, "fru", "2.5000, 2.5000, 2.5000", "Do you have your forms?"),
    ("M001", 18.0, 19.5, "exc", "4.5000, 4.0000, 3.0000", "Well, well."),
)


def label_block(name, start, stop, label, values):
    """As the corpus writes it: the label's line, then one of each rater."""
    return (
        f"[{start:.4f} - {stop:.4f}]\t{name}\t{label}\t[{values}]\n"
        "C-E2:\tNeutral;\t()\nC-F1:\tNeutral; Sadness;\t(curious)\n"
        "A-E3:\tval 3; act 2; dom  2;\t()\nA-M1:\tval 2; act 3; dom  ;\t()\n\n"
    )


class IemocapFolder:
    """Writes dialogues below `root`; the methods give the paths of a dialogue's parts."""

    def __init__(self, root):
        self.root = root

    def dialogue(self, name=NAME, utterances=UTTERANCES):
        for folder in (self.ratings(name).parent, self.transcription(name).parent, self.wavs(name)):
            folder.mkdir(parents=True, exist_ok=True)
        blocks = [label_block(f"{name}_{turn}", *rest) for turn, *rest, _ in utterances]
        self.ratings(name).write_text(HEADER + "".join(blocks))
        lines = [
            f"{name}_{turn} [{start:08.4f}-{stop:08.4f}]: {words}\n" for turn, start, stop, *_, words in utterances
        ]
        self.transcription(name).write_text("".join(lines))
        for place, (turn, *_) in enumerate(utterances):
            samples = 0.1 * np.random.default_rng(place).standard_normal(8000)
            soundfile.write(self.wavs(name) / f"{name}_{turn}.wav", samples, 16000)
        return self

    def session(self, name):
        return self.root / f"Session{name[4]}"

    def ratings(self, name=NAME):
        return self.session(name) / "dialog" / "EmoEvaluation" / f"{name}.txt"

    def transcription(self, name=NAME):
        return self.session(name) / "dialog" / "transcriptions" / f"{name}.txt"

    def wavs(self, name=NAME):
        return self.session(name) / "sentences" / "wav" / name

    def every_session(self):
        for number in range(1, 6):
            self.dialogue(f"Ses0{number}M_script01_1b")
        return self


@pytest.fixture
def iemocap(tmp_path):
    return IemocapFolder(tmp_path / "iemocap")


def scanned(iemocap):
    return {session.id: session for session in Iemocap(iemocap.root).scan()}


def by_id(iemocap):
    return {recording.id: recording for recording in Iemocap(iemocap.root).recordings()}


def rules(iemocap, identifier):
    session = scanned(iemocap).get(identifier)
    return [(finding.severity, finding.rule) for finding in session.findings] if session else []


def error(iemocap, rule, identifier):
    """The one line of the only error that the utterance, dialogue or session must have."""
    session = scanned(iemocap)[identifier]
    assert session.recording is None
    (line,) = [finding.message for finding in session.findings if finding.severity == "error"]
    assert rule in [finding.rule for finding in session.findings]
    assert "\n" not in line
    with pytest.raises(DataError, match=re.escape(line)):
        Iemocap(iemocap.root).recordings()
    return line


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


# ---- what an utterance is ----


def test_an_utterance_is_read_as_written(iemocap):
    iemocap.dialogue()
    recording = by_id(iemocap)["Ses01F_impro01_F000"]
    assert (recording.participant, recording.split) == ("Ses01F", "session1")
    assert recording.labels == {"emotion": "neutral", "valence": 2.5, "activation": 2.5, "dominance": 2.5}
    assert recording.metadata == {"gender": "female", "dialogue": NAME, "style": "improvised"}
    assert recording.audio == iemocap.wavs() / "Ses01F_impro01_F000.wav"
    ((start_s, stop_s, text),) = [(part.start_s, part.stop_s, part.text) for part in recording.segments]
    assert (start_s, stop_s, text) == (0.0, 0.5, "Excuse me.")


def test_valence_activation_and_dominance_are_in_the_files_order(iemocap):
    iemocap.dialogue()
    labels = by_id(iemocap)["Ses01F_impro01_M001"].labels
    assert labels == {"emotion": "happy", "valence": 4.5, "activation": 4.0, "dominance": 3.0}


@pytest.mark.parametrize(
    ("label", "emotion"),
    [("ang", "angry"), ("hap", "happy"), ("exc", "happy"), ("neu", "neutral"), ("sad", "sad")],
)
def test_four_emotions_and_happiness_absorbs_excitement(iemocap, label, emotion):
    iemocap.dialogue(utterances=[("F000", 1, 2, label, "2, 2, 2", "hi")])
    (recording,) = by_id(iemocap).values()
    assert recording.labels["emotion"] == emotion
    assert Iemocap.classes == {"emotion": ("angry", "happy", "neutral", "sad")}


def test_the_dialogue_is_in_order_of_time_and_holds_utterances_of_other_labels(iemocap):
    iemocap.dialogue()
    recordings = by_id(iemocap)
    assert sorted(recordings) == ["Ses01F_impro01_F000", "Ses01F_impro01_M001"]
    first, last = recordings["Ses01F_impro01_F000"], recordings["Ses01F_impro01_M001"]
    assert first.dialogue == ("Excuse me.", "Do you have your forms?", "Yeah.", "Well, well.")
    assert (first.turn, last.turn) == (0, 3)
    assert last.dialogue is first.dialogue
    (finding,) = scanned(iemocap)["iemocap"].findings
    assert (finding.severity, finding.rule) == ("applied", "other-emotion")
    assert "2 utterances of other labels are context alone (1 fru, 1 xxx)" in finding.message


def test_each_session_has_two_participants_of_its_own(iemocap):
    iemocap.every_session()
    recordings = by_id(iemocap).values()
    splits = {}
    for recording in recordings:
        splits.setdefault(recording.split, set()).add(recording.participant)
    assert splits == {f"session{number}": {f"Ses0{number}F", f"Ses0{number}M"} for number in range(1, 6)}
    assert {recording.metadata["style"] for recording in recordings} == {"scripted"}
    assert {(item.participant[-1], item.metadata["gender"]) for item in recordings} == {("F", "female"), ("M", "male")}


def test_the_validator_counts_the_utterances(iemocap, capsys):
    iemocap.every_session()
    count = validate(open_corpus("iemocap", iemocap.root.parent))
    assert not count.errors
    assert (count.sessions, len(count.participants), count.applied["other-emotion"]) == (10, 10, 1)
    assert "emotion: happy 5, neutral 5" in capsys.readouterr().out.splitlines()[-1]


# ---- variants of a copy, and rules applied ----


def test_ids_with_xx_and_lines_without_id_are_skipped_and_counted(iemocap):
    iemocap.dialogue()
    with iemocap.transcription().open("a") as file:
        file.write(
            "Ses01F_impro01_MXX0 [151.2551-153.4251]: [LAUGHTER]\nM: Yeah.\nSes01F_impro01_FXX1 [1.0-2.0]: a\n\n"
        )
    found = {finding.rule: finding.message for finding in scanned(iemocap)[NAME].findings}
    assert found.keys() == {"xx-id", "no-id", "transcript-mark"}
    assert "2 lines" in found["xx-id"]
    assert "1 line left out" in found["no-id"]
    assert len(by_id(iemocap)["Ses01F_impro01_F000"].dialogue) == 4


def test_apple_double_entries_and_other_folders_are_ignored(iemocap):
    iemocap.dialogue()
    before = by_id(iemocap)
    for path in (iemocap.ratings(), iemocap.transcription()):
        (path.parent / f"._{path.name}").write_bytes(b"\x00\x05\x16\x07\xff")
    (iemocap.wavs().parent / f"._{NAME}").touch()
    (iemocap.ratings().parent / "Categorical").mkdir()
    (iemocap.ratings().parent / ".DS_Store").touch()
    assert by_id(iemocap) == before
    (finding,) = scanned(iemocap)["session1"].findings
    assert finding.rule == "apple-double"
    assert "3 `._` entries" in finding.message


def test_windows_line_ends_and_a_byte_order_mark_do_not_matter(iemocap):
    iemocap.dialogue()
    before = by_id(iemocap)
    for path in (iemocap.ratings(), iemocap.transcription()):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert by_id(iemocap) == before


def test_an_absent_session_is_reported(iemocap):
    iemocap.dialogue()
    assert rules(iemocap, "session1") == []
    assert [rules(iemocap, f"session{number}") for number in range(2, 6)] == [[("applied", "missing-session")]] * 4


def test_an_attribute_out_of_range_is_absent(iemocap):
    iemocap.dialogue(utterances=[("F000", 1, 2, "sad", "5.5000, 2.0000, 0.5000", "hi")])
    (recording,) = by_id(iemocap).values()
    assert recording.labels == {"emotion": "sad", "activation": 2.0}
    findings = scanned(iemocap)["Ses01F_impro01_F000"].findings
    assert [finding.rule for finding in findings] == ["attribute-out-of-range"] * 2
    assert f"{iemocap.ratings()}, line 3: valence of Ses01F_impro01_F000 is 5.5" in findings[0].message


# ---- errors ----


def test_a_missing_corpus_names_the_command(tmp_path):
    with pytest.raises(DataError, match=re.escape(f"synthesize --corpus=iemocap --data_dir={tmp_path}")):
        open_corpus("iemocap", tmp_path)


def test_a_folder_without_sessions(iemocap):
    iemocap.root.mkdir()
    assert str(iemocap.root) in error(iemocap, "empty-corpus", "iemocap")


@pytest.mark.parametrize("part", ["dialog/EmoEvaluation", "dialog/transcriptions", "sentences/wav"])
def test_a_session_without_one_of_its_folders(iemocap, part):
    iemocap.dialogue()
    (iemocap.root / "Session1" / part).rename(iemocap.root / "elsewhere")
    assert str(iemocap.root / "Session1" / part) in error(iemocap, "missing-folder", "session1")


def test_a_session_without_dialogues(iemocap):
    iemocap.dialogue()
    iemocap.ratings().unlink()
    iemocap.transcription().unlink()
    iemocap.wavs().rename(iemocap.root / "elsewhere")
    assert "holds no dialogue" in error(iemocap, "empty-session", "session1")


@pytest.mark.parametrize(
    ("part", "rule"), [("ratings", "missing-file"), ("transcription", "missing-file"), ("wavs", "missing-folder")]
)
def test_a_dialogue_without_one_of_its_parts_does_not_hide_the_others(iemocap, part, rule):
    iemocap.dialogue().dialogue("Ses01F_impro02")
    path = getattr(iemocap, part)()
    path.rename(iemocap.root / "elsewhere")
    assert f"{path}: no such" in error(iemocap, rule, NAME)
    found = [identifier for identifier, session in scanned(iemocap).items() if session.recording]
    assert found == ["Ses01F_impro02_F000", "Ses01F_impro02_M001"]


@pytest.mark.parametrize("name", ["Ses02F_impro01", "Ses01F_talk01", "notes"])
def test_a_dialogue_of_another_name(iemocap, name):
    iemocap.dialogue()
    (iemocap.ratings().parent / f"{name}.txt").write_text(HEADER)
    assert repr(name) in error(iemocap, "unknown-name", name)


def test_an_utterance_with_words_and_without_label(iemocap):
    iemocap.dialogue()
    text = iemocap.ratings().read_text()
    iemocap.ratings().write_text(text.replace(label_block("Ses01F_impro01_F000", *UTTERANCES[0][1:5]), ""))
    line = error(iemocap, "missing-label", "Ses01F_impro01_F000")
    assert f"{iemocap.transcription()}, line 1: " in line
    assert str(iemocap.ratings()) in line


def test_an_utterance_with_label_and_without_words(iemocap):
    iemocap.dialogue()
    lines = iemocap.transcription().read_text().splitlines()
    iemocap.transcription().write_text("\n".join(lines[1:]))
    line = error(iemocap, "missing-words", "Ses01F_impro01_F000")
    assert f"{iemocap.ratings()}, line 3: " in line


@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_a_broken_wav_does_not_hide_the_other_utterances(iemocap, damage):
    iemocap.dialogue()
    path = iemocap.wavs() / "Ses01F_impro01_F000.wav"
    content = path.read_bytes()
    path.unlink()
    if damage == "cut":
        path.write_bytes(content[:1000])
    rule = {"gone": "missing-audio", "cut": "truncated-audio"}[damage]
    assert str(path) in error(iemocap, rule, "Ses01F_impro01_F000")
    assert scanned(iemocap)["Ses01F_impro01_M001"].recording is not None


GOOD = "[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]"


@pytest.mark.parametrize(
    ("line", "rule", "part"),
    [
        (GOOD.replace("\t", " "), "broken-label-line", "separated by tabs"),
        (GOOD.replace("[6.2901 - 8.2357]\t", ""), "broken-label-line", "'Ses01F_impro01_F000"),
        (GOOD[:-1], "broken-label-line", "expected [start - end]"),
        (GOOD.replace("neu\t", ""), "broken-label-line", "expected [start - end]"),
        (GOOD.replace("neu", "bored"), "unknown-class", "label 'bored', expected one of ang"),
        (GOOD.replace("2.5000, ", "", 1), "not-a-number", "[2.5000, 2.5000]"),
        (GOOD.replace("2.5000", "high", 1), "not-a-number", "[high, 2.5000, 2.5000]"),
        (GOOD.replace("2.5000", "nan", 1), "not-a-number", "[nan, 2.5000, 2.5000]"),
        (GOOD.replace("_F000", "_X000"), "unknown-id", "'Ses01F_impro01_X000'"),
        (GOOD.replace("impro01", "impro02"), "unknown-id", "'Ses01F_impro02_F000'"),
        (f"{GOOD}\n{GOOD}", "duplicate-id", "stands on line 3 too"),
    ],
)
def test_broken_label_lines(iemocap, line, rule, part):
    iemocap.dialogue()
    edit(iemocap.ratings(), GOOD, line)
    found = error(iemocap, rule, NAME)
    assert re.match(re.escape(f"{iemocap.ratings()}, line ") + "[34]: ", found)
    assert part in found


SPOKEN = "Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me."


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("Excuse me.", "broken-transcript-row"),
        (SPOKEN.replace("]:", "]"), "broken-transcript-row"),
        (SPOKEN.replace("006.2901", "six"), "broken-transcript-row"),
        (SPOKEN.replace("006.2901", "nan"), "broken-transcript-row"),
        (SPOKEN.replace("006.2901", "009.0000"), "broken-transcript-row"),
        (SPOKEN.replace("impro01", "impro02"), "unknown-id"),
        (f"{SPOKEN}\n{SPOKEN}", "duplicate-id"),
    ],
)
def test_broken_lines_of_a_transcription(iemocap, line, rule):
    iemocap.dialogue()
    edit(iemocap.transcription(), SPOKEN, line)
    assert re.match(re.escape(f"{iemocap.transcription()}, line ") + "[12]: ", error(iemocap, rule, NAME))


def test_bytes_that_are_not_utf_8(iemocap):
    iemocap.dialogue()
    iemocap.transcription().write_bytes(iemocap.transcription().read_bytes() + b"caf\xe9")
    assert f"{iemocap.transcription()}, line 5: byte 0xe9" in error(iemocap, "not-utf-8", NAME)
