"""LibriSpeech: utterances in their folders, the list of readers, and one line for every fault of a copy."""

import re

import numpy as np
import pytest
import soundfile

from input_pipeline.corpora import open_corpus
from input_pipeline.corpora.librispeech import LibriSpeech
from input_pipeline.errors import DataError
from input_pipeline.validate import validate

LIST = """; a comment with | in it
;ID  |SEX| SUBSET           |MINUTES| NAME
14   | F | train-clean-100  | 25.03 | Ann Other
60   | M | train-clean-100  | 20.18 | |ABC|Simon
84   | F | dev-clean        | 8.02  | Christie
99   | M | test-other       | 8.02  |
"""
LINE_14 = "14   | F | train-clean-100  | 25.03 | Ann Other"


class LibriSpeechFolder:
    """Writes readers' chapters below `root`; the methods give the paths."""

    def __init__(self, root):
        self.root = root
        self.folder = root / "LibriSpeech"
        self.folder.mkdir(parents=True)
        self.list = self.folder / "SPEAKERS.TXT"
        self.list.write_text(LIST)

    def chapter(self, reader=14, chapter=208, subset="train-clean-100", utterances=2, words=None):
        folder = self.path(reader, chapter, subset)
        folder.mkdir(parents=True)
        for number in range(utterances):
            samples = 0.1 * np.random.default_rng([reader, number]).standard_normal(8000)
            soundfile.write(folder / f"{reader}-{chapter}-{number:04}.flac", samples, 16000)
        if words is not None:
            (folder / f"{reader}-{chapter}.trans.txt").write_text(words)
        return self

    def path(self, reader=14, chapter=208, subset="train-clean-100"):
        return self.folder / subset / str(reader) / str(chapter)

    def flac(self, number=0):
        return self.path() / f"14-208-{number:04}.flac"


@pytest.fixture
def libri(tmp_path):
    return LibriSpeechFolder(tmp_path / "librispeech")


def scanned(libri):
    return {session.id: session for session in LibriSpeech(libri.root).scan()}


def by_id(libri):
    return {recording.id: recording for recording in LibriSpeech(libri.root).recordings()}


def findings(libri):
    return [
        (one.severity, one.rule, one.message) for session in LibriSpeech(libri.root).scan() for one in session.findings
    ]


def only(libri, severity, rule):
    """The one line of the only finding that the corpus has."""
    ((found_severity, found_rule, line),) = findings(libri)
    assert (found_severity, found_rule) == (severity, rule)
    assert "\n" not in line
    if severity == "error":
        with pytest.raises(DataError, match=re.escape(line)):
            LibriSpeech(libri.root).recordings()
    return line


# ---- what an utterance is ----


def test_an_utterance_is_what_its_folders_and_the_list_say(libri):
    libri.chapter(words="14-208-0000 CHAPTER ONE\n14-208-0001 IT WAS  COLD \n")
    found = by_id(libri)
    assert list(found) == ["14-208-0000", "14-208-0001"]
    one = found["14-208-0001"]
    assert (one.participant, one.split, one.audio) == ("14", "train-clean-100", libri.flac(1))
    assert one.labels == {"gender": "female"}
    assert one.metadata == {"gender": "female", "chapter": "208"}
    assert [(part.start_s, part.stop_s, part.text) for part in one.segments] == [(0.0, 0.5, "IT WAS COLD")]
    assert findings(libri) == []


def test_a_subset_is_a_split_and_a_name_may_hold_the_separator(libri):
    libri.chapter().chapter(60, 1).chapter(84, 2, "dev-clean").chapter(99, 3, "test-other")
    of_reader = {one.participant: (one.split, one.labels["gender"]) for one in by_id(libri).values()}
    assert of_reader == {
        "14": ("train-clean-100", "female"),
        "60": ("train-clean-100", "male"),
        "84": ("dev-clean", "female"),
        "99": ("test-other", "male"),
    }


def test_without_a_transcript_there_are_no_words_and_nothing_to_tell(libri):
    libri.chapter()
    assert {segment.text for one in by_id(libri).values() for segment in one.segments} == {""}
    assert findings(libri) == []


def test_readers_and_words_whose_sound_is_not_there_are_no_fault(libri):
    libri.chapter(utterances=1, words="14-208-0000 ONE\n14-208-0001 TWO\n")
    assert list(by_id(libri)) == ["14-208-0000"]
    assert findings(libri) == []


def test_windows_line_ends_and_a_byte_order_mark_do_not_matter(libri):
    libri.chapter(words="14-208-0000 ONE\n14-208-0001 TWO\n")
    before = by_id(libri)
    for path in (libri.list, libri.path() / "14-208.trans.txt"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert by_id(libri) == before


def test_hidden_files_are_ignored_and_those_of_macos_counted(libri):
    libri.chapter()
    (libri.folder / ".DS_Store").touch()
    for folder in (libri.path(), libri.path().parent, libri.folder / "train-clean-100"):
        (folder / "._14-208-0000.flac").write_bytes(b"\x00\x05\x16\x07")
    (libri.folder / "._train-clean-100").touch()
    assert len(by_id(libri)) == 2
    assert [(severity, rule) for severity, rule, _ in findings(libri)] == [("applied", "apple-double")] * 2
    messages = [message for *_, message in findings(libri)]
    assert messages == [
        f"{libri.folder}: 1 `._` entries of macOS ignored",
        f"{libri.folder / 'train-clean-100'}: 3 `._` entries of macOS ignored",
    ]


def test_the_corpus_is_validated(libri, capsys):
    libri.chapter().chapter(84, 2, "dev-clean")
    count = validate(LibriSpeech(libri.root))
    assert not count.errors
    assert count.classes == {"gender": {"female": 4}}
    assert capsys.readouterr().out.splitlines()[-1].startswith("librispeech: 4 sessions; 2 participants; splits: ")


# ---- what may be a mistake ----


def test_stray_files_are_warned_of_once_a_subset(libri):
    libri.chapter()
    strays = [libri.folder / "train-clean-100" / "notes.txt", libri.path() / "old", libri.path() / "14-209.trans.txt"]
    strays[0].touch()
    strays[1].mkdir()
    strays[2].touch()
    line = only(libri, "warning", "stray-file")
    assert line.startswith(f"{libri.folder / 'train-clean-100'}: 3 entries are no part of the corpus ({strays[0]} ")
    assert len(by_id(libri)) == 2


def test_the_texts_of_the_whole_corpus_are_no_strays(libri):
    libri.chapter()
    for name in ("BOOKS.TXT", "CHAPTERS.TXT", "LICENSE.TXT", "README.TXT"):
        (libri.folder / name).touch()
    assert findings(libri) == []
    (libri.folder / "LibriSpeech.tar.gz").touch()
    assert "LibriSpeech.tar.gz" in only(libri, "warning", "stray-file")


def test_a_reader_that_is_listed_in_another_subset(libri):
    libri.chapter(subset="train-clean-5")
    line = only(libri, "warning", "other-subset")
    assert "1 readers are listed in another subset (14 in train-clean-100)" in line
    assert {one.split for one in by_id(libri).values()} == {"train-clean-5"}


def test_utterances_that_the_transcript_lacks_have_no_words(libri):
    libri.chapter(words="14-208-0001 TWO\n")
    assert "no line for 1 utterances (14-208-0000 " in only(libri, "warning", "missing-words")
    assert [one.segments[0].text for one in by_id(libri).values()] == ["", "TWO"]


@pytest.mark.parametrize(("part", "lacking"), [("14/209", "utterance"), ("60", "chapter")])
def test_a_folder_with_nothing_in_it(libri, part, lacking):
    libri.chapter()
    folder = libri.folder / "train-clean-100" / part
    folder.mkdir()
    assert only(libri, "warning", "empty-folder").startswith(f"{folder}: holds no {lacking}")


# ---- faults of a copy ----


def test_a_missing_corpus_names_the_folder_and_the_command(tmp_path):
    with pytest.raises(DataError, match=re.escape(f"synthesize --corpus=librispeech --data_dir={tmp_path}")):
        open_corpus("librispeech", tmp_path)
    (tmp_path / "librispeech").mkdir()
    with pytest.raises(DataError, match=re.escape(f"{tmp_path / 'librispeech' / 'LibriSpeech'}: no such folder")):
        open_corpus("librispeech", tmp_path)


def test_a_folder_without_subsets(libri):
    assert only(libri, "error", "empty-corpus").startswith(f"{libri.folder}: ")


def test_a_copy_without_the_list_of_readers(libri):
    libri.chapter()
    libri.list.unlink()
    assert only(libri, "error", "missing-file").startswith(f"{libri.list}: no such file")


def test_a_reader_whom_the_list_has_not_does_not_hide_the_others(libri):
    libri.chapter().chapter(15, 208)
    line = only(libri, "error", "unlisted-reader")
    assert line.startswith(f"{libri.folder / 'train-clean-100' / '15'}: reader 15 is not listed in SPEAKERS.TXT")
    assert [identifier for identifier, one in scanned(libri).items() if one.recording] == ["14-208-0000", "14-208-0001"]


@pytest.mark.parametrize(
    ("line", "rule", "part"),
    [
        (
            "14   | X | train-clean-100  | 25.03 | Ann Other",
            "unknown-class",
            "SEX of reader 14 is 'X', expected F or M",
        ),
        ("14   |   | train-clean-100  | 25.03 | Ann Other", "unknown-class", "SEX of reader 14 is ''"),
        ("14   | F | train-clean-100  | 25.03", "broken-reader-line", "expected ID|SEX|SUBSET|MINUTES|NAME"),
        ("14   | F |                  | 25.03 | Ann Other", "broken-reader-line", "is no reader"),
        ("14   | F | train-clean-100  | many  | Ann Other", "broken-reader-line", "is no reader"),
        ("14   | F | train-clean-100  | nan   | Ann Other", "broken-reader-line", "is no reader"),
        ("14   | F | train-clean-100  | -1    | Ann Other", "broken-reader-line", "is no reader"),
        (f"{LINE_14}\n14 | M | dev-clean | 8 | Again", "duplicate-id", "reader '14' stands on line 3 too"),
    ],
)
def test_broken_lines_of_the_list(libri, line, rule, part):
    libri.chapter().chapter(60, 1)
    libri.list.write_text(LIST.replace(LINE_14, line))
    found = only(libri, "error", rule)
    assert re.match(re.escape(f"{libri.list}, line ") + "[34]: ", found)
    assert part in found
    assert [identifier for identifier, one in scanned(libri).items() if one.recording] == ["60-1-0000", "60-1-0001"]


def test_a_line_that_names_no_reader(libri):
    libri.chapter()
    libri.list.write_text(f"{LIST}nobody at all\n")
    assert f"{libri.list}, line 7: 'nobody at all' is no reader" in only(libri, "error", "broken-reader-line")


def test_bytes_that_are_not_utf_8(libri):
    libri.chapter()
    libri.list.write_bytes(LIST.encode() + b"100 | F | dev-clean | 8.0 | Caf\xe9\n")
    assert f"{libri.list}, line 7: byte 0xe9" in only(libri, "error", "not-utf-8")


@pytest.mark.parametrize(
    "name", ["14-209-0000.flac", "15-208-0000.flac", "14-208-00x0.flac", "14-208-0000 (1).flac", "14-208-0002.FLAC"]
)
def test_an_utterance_whose_name_disagrees_with_its_folders(libri, name):
    libri.chapter()
    (libri.path() / name).write_bytes(libri.flac().read_bytes())
    line = only(libri, "error", "unknown-name")
    assert line.startswith(f"{libri.path() / name}: no utterance's name in this folder (as 14-208-0000.flac is)")


@pytest.mark.parametrize("folder", ["train-clean-100", "train-clean-100/14"])
def test_an_utterance_outside_its_chapter(libri, folder):
    libri.chapter()
    path = libri.folder / folder / "14-208-0002.flac"
    path.write_bytes(libri.flac().read_bytes())
    assert only(libri, "error", "unknown-name").startswith(f"{path}: ")


@pytest.mark.parametrize(("folder", "kind"), [("Ann", "reader"), ("14/one", "chapter")])
def test_folders_that_are_no_numbers(libri, folder, kind):
    libri.chapter()
    path = libri.folder / "train-clean-100" / folder
    path.mkdir()
    assert only(libri, "error", "unknown-name").startswith(f"{path}: no {kind}'s name")


def test_a_reader_in_two_subsets(libri):
    libri.chapter(84, 1).chapter(84, 2, "dev-clean")
    line = only(libri, "error", "participant-in-two-splits")
    assert line == f"{libri.path(84, 1).parent}: reader 84 stands in dev-clean too; remove one of the folders"
    assert [identifier for identifier, one in scanned(libri).items() if one.recording] == ["84-2-0000", "84-2-0001"]


@pytest.mark.parametrize(
    "content", [b"", b"fLaC" + bytes(50), b"<html>404</html>"], ids=["zero-length", "zeros", "a page of the web"]
)
def test_a_broken_flac_does_not_hide_the_other_utterances(libri, content):
    libri.chapter()
    libri.flac().write_bytes(content)
    assert only(libri, "error", "unreadable-audio").startswith(f"{libri.flac()}: ")
    assert scanned(libri)["14-208-0001"].recording is not None


def test_a_flac_that_does_not_tell_its_length(libri):
    libri.chapter()
    content = bytearray(libri.flac().read_bytes())
    content[21] &= 0xF0  # the last 36 bits of these eight bytes of STREAMINFO are the number of samples
    content[22:26] = bytes(4)
    libri.flac().write_bytes(content)
    assert "does not tell how long it is" in only(libri, "error", "unknown-length")


def test_a_flac_that_was_cut_is_found_by_the_validator(libri, capsys):
    libri.chapter()
    libri.flac().write_bytes(libri.flac().read_bytes()[:4000])
    assert findings(libri) == []  # its header promises all of it
    (rule,) = validate(LibriSpeech(libri.root)).errors
    assert rule in ("truncated-audio", "unreadable-audio")
    assert str(libri.flac()) in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("14-208-0000", "broken-transcript-row"),
        ("14-209-0000 WORDS", "broken-transcript-row"),
        ("WORDS ALONE", "broken-transcript-row"),
        ("14-208-0001 TWICE", "duplicate-id"),
    ],
)
def test_broken_lines_of_a_transcript(libri, line, rule):
    libri.chapter(words=f"14-208-0001 TWO\n{line}\n").chapter(60, 1)
    path = libri.path() / "14-208.trans.txt"
    assert only(libri, "error", rule).startswith(f"{path}, line 2: ")
    assert scanned(libri)["60-1-0000"].recording is not None
