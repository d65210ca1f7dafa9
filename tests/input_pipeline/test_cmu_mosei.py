"""CMU-MOSEI: clips with their labels, words and folds, and files that are not what they should be."""

import json
import re

import h5py
import numpy as np
import pytest
import soundfile

from input_pipeline import audio
from input_pipeline.corpora import open_corpus
from input_pipeline.corpora.cmu_mosei import CmuMosei
from input_pipeline.errors import DataError
from input_pipeline.validate import validate

VIDEO = "-abc_"  # names of videos may begin with a hyphen and end with an underscore
ROWS = (  # of the transcript: the clips below, and a row between that has no label
    (0, 0.0, 2.5, "i like it ___ a lot"),
    (1, 2.5, 4.0, "it is new"),
    (2, 4.0, 7.125, "the end is bad"),
)
CLIPS = (  # in another order than that of time: start, stop, sentiment, happy, sad, anger, surprise, disgust, fear
    (4.0, 7.125, -1.0, 0, 2 / 3, 0, 0, 1, 0),
    (0.0, 2.5, 2 + 1 / 3, 3, 0, 0, 1, 0, 0),
)


class MoseiFolder:
    """Writes videos of eight seconds below `root`, with their labels in one csd."""

    def __init__(self, root):
        self.root = root
        self.folds = {"train": [], "valid": [], "test": []}

    @property
    def csd(self):
        return self.root / "CMU_MOSEI_Labels.csd"

    @property
    def folds_file(self):
        return self.root / "standard_folds.json"

    def transcript(self, video=VIDEO):
        return self.root / "Transcript" / "Segmented" / "Combined" / f"{video}.txt"

    def wav(self, video=VIDEO):
        return self.root / "Audio" / "Full" / "WAV_16000" / f"{video}.wav"

    def video(self, name=VIDEO, clips=CLIPS, rows=ROWS, fold="train"):
        for path in (self.transcript(name), self.wav(name)):
            path.parent.mkdir(parents=True, exist_ok=True)
        lines = [f"{name}___{number}___{start}___{stop}___{words}\n" for number, start, stop, words in rows]
        self.transcript(name).write_text("".join(lines))
        soundfile.write(self.wav(name), 0.1 * np.random.default_rng(0).standard_normal(8 * 16000), 16000)
        numbers = np.array(clips, np.float32)
        self.label(name, features=numbers[:, 2:], intervals=numbers[:, :2])
        if fold is not None:
            self.folds[fold].append(name)
        self.folds_file.write_text(json.dumps(self.folds))
        return self

    def label(self, video=VIDEO, **datasets):
        with h5py.File(self.csd, "a") as file:
            file.require_group("All Labels/metadata")
            group = file.require_group(f"All Labels/data/{video}")
            for name, content in datasets.items():
                if name in group:
                    del group[name]
                if content is not None:
                    group[name] = content
        return self


@pytest.fixture
def mosei(tmp_path):
    return MoseiFolder(tmp_path / "cmu_mosei")


def scanned(mosei):
    return {session.id: session for session in CmuMosei(mosei.root).scan()}


def by_id(mosei):
    return {recording.id: recording for recording in CmuMosei(mosei.root).recordings()}


def finding_of(mosei, identifier):
    (finding,) = scanned(mosei)[identifier].findings
    assert "\n" not in finding.message
    return finding


def error(mosei, rule, identifier):
    """The one line of the error that the clip, video or file must have."""
    finding = finding_of(mosei, identifier)
    assert (finding.severity, finding.rule) == ("error", rule), finding
    assert scanned(mosei)[identifier].recording is None
    with pytest.raises(DataError, match=re.escape(finding.message)):
        CmuMosei(mosei.root).recordings()
    return finding.message


# ---- what a clip is ----


def test_a_clip_is_read_as_written(mosei):
    recordings = by_id(mosei.video())
    assert list(recordings) == ["-abc_[0]", "-abc_[1]"]
    recording = recordings["-abc_[0]"]
    assert (recording.participant, recording.split, recording.audio) == (VIDEO, "train", mosei.wav())
    ((start_s, stop_s, text),) = [(part.start_s, part.stop_s, part.text) for part in recording.segments]
    assert (start_s, stop_s, text) == (4.0, 7.125, "the end is bad")
    scores = {name: value for name, value in recording.labels.items() if name not in CmuMosei.classes}
    assert scores == pytest.approx(
        {
            "sentiment": -1.0,
            "emotion_happy": 0.0,
            "emotion_sad": 2 / 3,
            "emotion_anger": 0.0,
            "emotion_surprise": 0.0,
            "emotion_disgust": 1.0,
            "emotion_fear": 0.0,
        }
    )
    assert all(isinstance(score, float) for score in scores.values())


def test_the_dialogue_is_the_whole_transcript_in_order_of_time(mosei):
    recordings = by_id(mosei.video())
    last, first = recordings["-abc_[0]"], recordings["-abc_[1]"]
    assert first.dialogue == ("i like it ___ a lot", "it is new", "the end is bad")
    assert (first.turn, last.turn) == (0, 2)
    assert last.dialogue is first.dialogue


@pytest.mark.parametrize(
    ("sentiment", "nonnegative", "positive"),
    [(-1 / 3, "negative", "negative"), (0.0, "nonnegative", None), (1 / 3, "nonnegative", "positive")],
)
def test_both_conventions_of_the_binary_task(mosei, sentiment, nonnegative, positive):
    (recording,) = by_id(mosei.video(clips=[(0.0, 2.5, sentiment, 0, 0, 0, 0, 0, 0)])).values()
    assert recording.labels["sentiment_nonnegative"] == nonnegative
    assert recording.labels.get("sentiment_positive") == positive
    assert CmuMosei.classes == {
        "sentiment_nonnegative": ("negative", "nonnegative"),
        "sentiment_positive": ("negative", "positive"),
    }


def test_the_audio_of_a_clip_is_its_own(mosei):
    recording = by_id(mosei.video())["-abc_[0]"]
    (segment,) = recording.segments
    cut = audio.load(recording.audio, start_s=segment.start_s, stop_s=segment.stop_s)
    np.testing.assert_array_equal(cut, audio.load(mosei.wav())[4 * 16000 : round(7.125 * 16000)])


def test_folds_are_splits_and_dev_will_do_for_valid(mosei):
    mosei.video("a", fold="train").video("b", fold="valid").video("c", fold="test")
    before = by_id(mosei)
    assert {item.participant: item.split for item in before.values()} == {"a": "train", "b": "dev", "c": "test"}
    mosei.folds_file.write_text(json.dumps({"train": ["a"], "dev": ["b"], "test": ["c"]}))
    assert by_id(mosei) == before


def test_the_labels_file_may_have_another_name(mosei):
    before = by_id(mosei.video())
    mosei.csd.rename(mosei.root / "labels.csd")
    assert by_id(mosei) == before
    with h5py.File(mosei.root / "covarep.csd", "w") as file:
        file.create_group("COVAREP/data")
    (mosei.root / "._labels.csd").touch()
    assert by_id(mosei) == before


def test_the_usual_name_goes_before_others(mosei):
    before = by_id(mosei.video())
    (mosei.root / "a.csd").write_bytes(mosei.csd.read_bytes())
    assert by_id(mosei) == before


def test_the_validator_counts_the_clips(mosei, capsys):
    count = validate(open_corpus("cmu_mosei", mosei.video().root.parent))
    assert not count.errors
    assert (count.sessions, count.participants) == (2, {VIDEO})
    assert "sentiment_positive: negative 1, positive 1" in capsys.readouterr().out.splitlines()[-1]


# ---- clips as the corpus has them, that are no errors ----


@pytest.mark.parametrize(("off_s", "words"), [(0.04, "i like it ___ a lot"), (0.06, "")])
def test_words_are_found_by_their_times(mosei, off_s, words):
    recording = by_id(mosei.video(clips=[(off_s, 2.5 - off_s, 1, 0, 0, 0, 0, 0, 0)]))["-abc_[0]"]
    assert recording.segments[0].text == words
    assert recording.dialogue[recording.turn] == words


def test_a_clip_without_words_has_its_place_in_the_dialogue(mosei):
    mosei.video(rows=ROWS[:1] + ROWS[2:], clips=[(2.5, 4.0, 1, 0, 0, 0, 0, 0, 0)])
    recording = by_id(mosei)["-abc_[0]"]
    assert recording.dialogue == ("i like it ___ a lot", "", "the end is bad")
    assert recording.turn == 1
    finding = finding_of(mosei, "-abc_[0]")
    assert (finding.severity, finding.rule) == ("applied", "clip-without-words")
    assert str(mosei.transcript()) in finding.message


def test_a_video_in_no_fold_is_left_out(mosei):
    mosei.video("a").video("b", fold=None)
    assert {item.participant for item in by_id(mosei).values()} == {"a"}
    finding = finding_of(mosei, "b")
    assert (finding.severity, finding.rule) == ("applied", "video-without-fold")
    assert "its 2 clips" in finding.message


@pytest.mark.parametrize(
    ("clip", "rule"),
    [
        ((0, 2.5, np.nan, 0, 0, 0, 0, 0, 0), "missing-score"),
        ((0, 2.5, 1, 0, 0, 0, 0, 0, np.nan), "missing-score"),
        ((2.5, 2.5, 1, 0, 0, 0, 0, 0, 0), "broken-times"),
        ((4, 2.5, 1, 0, 0, 0, 0, 0, 0), "broken-times"),
        ((-1, 2.5, 1, 0, 0, 0, 0, 0, 0), "broken-times"),
        ((np.nan, 2.5, 1, 0, 0, 0, 0, 0, 0), "broken-times"),
        ((0, np.inf, 1, 0, 0, 0, 0, 0, 0), "broken-times"),
        ((8, 9, 1, 0, 0, 0, 0, 0, 0), "clip-past-audio"),
    ],
)
def test_clips_that_cannot_be_are_left_out(mosei, clip, rule):
    mosei.video(clips=[*CLIPS, clip])
    assert list(by_id(mosei)) == ["-abc_[0]", "-abc_[1]"]
    finding = finding_of(mosei, "-abc_[2]")
    assert (finding.severity, finding.rule) == ("applied", rule)
    assert len(by_id(mosei)["-abc_[0]"].dialogue) == 3


def test_a_clip_past_the_audios_end_is_clipped(mosei):
    mosei.video(rows=[(0, 7.0, 9.0, "bye")], clips=[(7, 9, 1, 0, 0, 0, 0, 0, 0)])
    (recording,) = by_id(mosei).values()
    assert (recording.segments[0].start_s, recording.segments[0].stop_s) == (7.0, 8.0)
    finding = finding_of(mosei, "-abc_[0]")
    assert (finding.severity, finding.rule) == ("applied", "clip-past-audio")
    assert str(mosei.wav()) in finding.message


# ---- errors ----


def test_a_missing_corpus_names_the_command(tmp_path):
    with pytest.raises(DataError, match=re.escape(f"synthesize --corpus=cmu_mosei --data_dir={tmp_path}")):
        open_corpus("cmu_mosei", tmp_path)


@pytest.mark.parametrize("scores", [(3.5, 0, 0, 0, 0, 0, 0), (1, 0, 0, -1, 0, 0, 0), (1, 0, 0, 0, 0, 0, np.inf)])
def test_scores_out_of_range(mosei, scores):
    mosei.video(clips=[*CLIPS, (0, 2.5, *scores)])
    assert f"{mosei.csd}: video -abc_, clip 2: " in error(mosei, "label-out-of-range", "-abc_[2]")


def test_a_missing_wav_does_not_hide_the_other_videos(mosei):
    mosei.video("a").video("b")
    mosei.wav("a").unlink()
    assert str(mosei.wav("a")) in error(mosei, "missing-audio", "a")
    assert scanned(mosei)["b[0]"].recording is not None


def test_a_missing_transcript(mosei):
    mosei.video().transcript().unlink()
    assert str(mosei.transcript()) in error(mosei, "missing-file", VIDEO)


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("hello", "'hello' is not of the form -abc____segment___start___end___text"),
        ("other___1___2.5___4.0___it is new", "'other___1"),
        ("-abc____1___2.5___4.0", "is not of the form"),
        ("-abc____1___two___4.0___it is new", "start 'two'"),
        ("-abc____1___2.5___nan___it is new", "end 'nan'"),
    ],
)
def test_malformed_lines_of_a_transcript(mosei, line, part):
    mosei.video()
    lines = mosei.transcript().read_text().splitlines()
    mosei.transcript().write_text("\n".join([lines[0], "", line, lines[2]]))
    found = error(mosei, "broken-transcript-row", VIDEO)
    assert f"{mosei.transcript()}, line 3: " in found
    assert part in found


@pytest.mark.parametrize("content", [b"", b"not hdf5", b"\x89HDF\r\n\x1a\n" + bytes(100)])
def test_labels_that_are_no_hdf5(mosei, content):
    mosei.video().csd.write_bytes(content)
    assert f"{mosei.csd}: cannot be read as HDF5" in error(mosei, "broken-csd", "CMU_MOSEI_Labels.csd")


def test_labels_cut_short(mosei):
    content = mosei.video().csd.read_bytes()
    mosei.csd.write_bytes(content[: len(content) // 2])
    assert str(mosei.csd) in error(mosei, "broken-csd", "CMU_MOSEI_Labels.csd")


def test_labels_with_any_wrong_byte_are_read_or_refused(mosei):
    content = mosei.video().csd.read_bytes()
    outcomes = set()
    for place in range(0, len(content), len(content) // 150):
        mosei.csd.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        found = list(CmuMosei(mosei.root).scan())
        outcomes |= {finding.rule for session in found for finding in session.findings if finding.severity == "error"}
        assert found
    assert "broken-csd" in outcomes


@pytest.mark.parametrize("path", ["COVAREP/data", "All Labels/metadata"])
def test_a_csd_without_the_labels_data(mosei, path):
    mosei.video()
    with h5py.File(mosei.csd, "w") as file:
        file.create_group(path)
    line = error(mosei, "broken-csd", "CMU_MOSEI_Labels.csd")
    assert "no group All Labels/data" in line
    assert path.split("/")[0] in line


def test_no_labels_or_two(mosei):
    mosei.video()
    content = mosei.csd.read_bytes()
    mosei.csd.unlink()
    assert f"{mosei.csd}: no such file" in error(mosei, "missing-file", "CMU_MOSEI_Labels.csd")
    for name in ("a.csd", "b.csd"):
        (mosei.root / name).write_bytes(content)
    assert "2 of a.csd, b.csd" in error(mosei, "missing-file", "CMU_MOSEI_Labels.csd")


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("features", None, "-abc_/features: no such dataset"),
        ("intervals", None, "-abc_/intervals: no such dataset"),
        ("features", np.zeros((2, 6), np.float32), "of shape (2, 6), expected (rows, 7)"),
        ("features", np.zeros(14, np.float32), "of shape (14,)"),
        ("features", np.zeros((3, 7), np.float32), "3 rows of features, 2 of intervals"),
        ("intervals", np.zeros((2, 3), np.float32), "of shape (2, 3), expected (rows, 2)"),
        ("features", np.full((2, 7), b"1", dtype=object), "of type object, expected numbers"),
        ("features", np.full((2, 7), b"1"), "of type |S1, expected numbers"),
        ("features", np.zeros((10**5, 7), np.float32), "declares 2800000 bytes"),
    ],
)
def test_broken_labels_of_a_video_do_not_hide_the_others(mosei, name, content, part):
    mosei.video().video("b").label(**{name: content})
    line = error(mosei, "broken-csd", VIDEO)
    assert str(mosei.csd) in line
    assert part in line
    assert scanned(mosei)["b[0]"].recording is not None


@pytest.mark.parametrize(
    ("content", "rule", "part"),
    [
        (None, "missing-file", "write the standard folds of the CMU Multimodal SDK there"),
        ("{", "broken-json", "not JSON"),
        ("[" * 100_000, "broken-json", "not JSON"),
        ("[]", "broken-folds", "no single list of videos by the name train"),
        ('{"train": ["a"], "valid": []}', "broken-folds", "by the name test"),
        ('{"train": ["a"], "valid": [], "dev": [], "test": []}', "broken-folds", "by the name valid or dev"),
        ('{"train": [1], "valid": [], "test": []}', "broken-folds", "by the name train"),
        (
            '{"train": ["a"], "valid": ["a"], "test": []}',
            "participant-in-two-splits",
            "video a stands in train and in dev",
        ),
    ],
)
def test_broken_folds(mosei, content, rule, part):
    mosei.video().folds_file.unlink()
    if content is not None:
        mosei.folds_file.write_text(content)
    line = error(mosei, rule, "standard_folds.json")
    assert line.startswith(f"{mosei.folds_file}: ")
    assert part in line
