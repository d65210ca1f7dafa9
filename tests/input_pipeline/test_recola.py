"""RECOLA: windows of rated speech in two distributions, and one line for every fault of a copy."""

import re

import numpy as np
import pandas as pd
import pytest
import soundfile

from input_pipeline import audio
from input_pipeline.corpora import open_corpus
from input_pipeline.corpora.recola import Recola
from input_pipeline.errors import DataError
from input_pipeline.features import LogMel
from input_pipeline.features.sound import waveforms
from input_pipeline.validate import validate

RATERS = ("FM1", "FM2", "FM3", "FF1", "FF2", "FF3")
HEADER = "time;FM1 ;FM2 ;FM3 ;FF1 ;FF2 ;FF3"
ARFF = """@relation GOLDSTANDARD

@attribute Instance_name string
@attribute frameTime numeric
@attribute GoldStandard numeric


@data

"""


def curve(seconds, seed):
    """Ratings of six, in hundredths, [rows, 6]."""
    return np.random.default_rng(seed).integers(-100, 101, (round(25 * seconds) + 1, 6)) / 100


class RecolaFolder:
    """Writes participants below `root`; the methods give the paths."""

    def __init__(self, root):
        self.root = root
        self.audio, self.ratings, self.suffix = (
            "RECOLA-Audio-recordings",
            "RECOLA-Annotation/emotional_behaviour",
            "csv",
        )

    def participant(self, name="P16", seconds=4.0, rated_s=None, arousal=None, valence=None, rate_hz=16000):
        self.wav(name).parent.mkdir(parents=True, exist_ok=True)
        samples = 0.1 * np.random.default_rng(0).standard_normal(round(seconds * rate_hz))
        soundfile.write(self.wav(name), samples, rate_hz)
        given = {"arousal": arousal, "valence": valence}
        for seed, (dimension, values) in enumerate(given.items()):
            path = self.path(dimension, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.text(name, curve(rated_s or seconds, seed) if values is None else values))
        return self

    def text(self, name, values):
        rows = [f"{row / 25:.2f};" + ";".join(f"{value:.2f}" for value in cells) for row, cells in enumerate(values)]
        return "\n".join([HEADER, *rows]) + "\n"

    def wav(self, name="P16"):
        return self.root / self.audio / f"{name}.wav"

    def path(self, dimension="arousal", name="P16"):
        return self.root / self.ratings / dimension / f"{name}.{self.suffix}"


class Avec2016Folder(RecolaFolder):
    """The same in the challenge's form."""

    def __init__(self, root):
        self.root = root
        self.audio, self.ratings, self.suffix = "recordings_audio", "ratings_gold_standard", "arff"

    def text(self, name, values):
        return ARFF + "".join(f"{name},{row / 25:.2f},{cells.mean():.6f}\n" for row, cells in enumerate(values))

    def test_participant(self, name="test_1"):
        self.participant(name)
        for dimension in ("arousal", "valence"):
            self.path(dimension, name).unlink()
        return self


@pytest.fixture
def recola(tmp_path):
    return RecolaFolder(tmp_path / "recola")


@pytest.fixture
def avec(tmp_path):
    return Avec2016Folder(tmp_path / "recola")


def scanned(folder):
    return {session.id: session for session in Recola(folder.root).scan()}


def windows(folder):
    return Recola(folder.root).recordings()


def findings(folder):
    return [(one.severity, one.rule, one.message) for session in Recola(folder.root).scan() for one in session.findings]


def only(folder, severity, rule):
    """The one line of the only finding that the corpus has."""
    ((found_severity, found_rule, line),) = findings(folder)
    assert (found_severity, found_rule) == (severity, rule)
    assert "\n" not in line
    if severity == "error":
        with pytest.raises(DataError, match=re.escape(line)):
            windows(folder)
    return line


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


# ---- what a window is ----


def test_a_window_is_two_and_a_half_seconds_of_the_shared_waveform(recola):
    found = windows(recola.participant(seconds=4.0))
    assert [one.id for one in found] == ["P16_0000", "P16_0001", "P16_0002", "P16_0003"]
    times = [(part.start_s, part.stop_s) for one in found for part in one.segments]
    assert times == [(0.0, 2.5), (0.5, 3.0), (1.0, 3.5), (1.5, 4.0)]
    assert {(one.participant, one.split, one.audio) for one in found} == {("P16", "", recola.wav())}
    assert findings(recola) == []


def test_five_minutes_are_596_windows(recola):
    recola.participant(seconds=300.0, rate_hz=2000)
    assert len(recola.path().read_text().splitlines()) == 1 + 7501
    assert len(windows(recola)) == 596
    assert findings(recola) == []


def test_a_windows_scores_are_the_means_over_raters_and_time(recola):
    recola.participant(seconds=6.0)
    for dimension in ("arousal", "valence"):
        table = pd.read_csv(recola.path(dimension), sep=";").rename(columns=str.strip)
        mean = table[list(RATERS)].mean(axis=1)
        for one in windows(recola):
            (part,) = one.segments
            inside = (table.time >= part.start_s - 1e-9) & (table.time < part.stop_s - 1e-9)
            assert inside.sum() in (62, 63)
            assert one.labels[dimension] == pytest.approx(mean[inside].mean(), abs=1e-12)


def test_the_challenges_form_has_splits_and_a_gold_standard(avec):
    values = curve(4.0, 7)
    avec.participant("train_2", arousal=values).participant("train_10").participant("dev_1").test_participant()
    found = windows(avec)
    assert list(dict.fromkeys((one.participant, one.split) for one in found)) == [
        ("dev_1", "dev"),
        ("test_1", "test"),
        ("train_2", "train"),
        ("train_10", "train"),
    ]
    (first,) = [one for one in found if one.id == "train_2_0000"]
    assert first.labels["arousal"] == pytest.approx(values[:63].mean(), abs=1e-6)
    assert {len(one.labels) for one in found if one.split == "test"} == {0}
    assert {len(one.labels) for one in found if one.split != "test"} == {2}
    assert findings(avec) == []
    assert "test on dev" in Recola(avec.root).remedy("test")
    assert Recola(avec.root).remedy("dev") == ""


def test_ratings_of_the_test_split_are_read_where_they_are(avec):
    assert {len(one.labels) for one in windows(avec.participant("test_1"))} == {2}


def test_an_arff_with_comments_quotes_and_other_attributes(avec):
    avec.participant("dev_1")
    before = windows(avec)
    for dimension in ("arousal", "valence"):
        text = avec.path(dimension, "dev_1").read_text().replace("dev_1,", "'dev_1',0,")
        text = text.replace("@attribute frameTime", "@attribute other numeric\n@ATTRIBUTE frametime")
        avec.path(dimension, "dev_1").write_text("% gold\n" + text.replace("@data", "@DATA"))
    assert windows(avec) == before


def test_windows_line_ends_and_a_byte_order_mark_do_not_matter(recola):
    recola.participant()
    before = windows(recola)
    recola.path().write_bytes(b"\xef\xbb\xbf" + recola.path().read_bytes().replace(b"\n", b"\r\n"))
    assert windows(recola) == before


def test_hidden_files_are_ignored_and_those_of_macos_counted(recola):
    recola.participant()
    for path in (recola.wav(), recola.path(), recola.path("valence")):
        path.with_name(f"._{path.name}").write_bytes(b"\x00\x05\x16\x07")
        (path.parent / ".DS_Store").touch()
    assert only(recola, "applied", "apple-double") == f"{recola.root}: 3 `._` entries of macOS ignored"
    assert len(windows(recola)) == 4


def test_what_is_called_as_no_participant_is_warned_of(avec):
    avec.participant("dev_1")
    avec.path("arousal", "dev_all").write_text("")
    (avec.wav("x").parent / "readme.txt").touch()
    assert "2 entries are called as no participant is" in only(avec, "warning", "stray-file")
    assert len(windows(avec)) == 4


# ---- the sound of a window ----


@pytest.mark.parametrize("rate_hz", [16000, 44100])
def test_a_windows_sound_is_its_stretch_and_the_file_is_not_read_for_each(recola, monkeypatch, rate_hz):
    recola.participant(seconds=20.0, rate_hz=rate_hz)
    found = windows(recola)
    whole = audio.load(recola.wav(), 16000)
    read, load = [], audio.load
    monkeypatch.setattr(audio, "load", lambda *args: read.append(args) or load(*args))
    for one in found:
        (samples,) = waveforms(one, one.segments, 16000, "test")
        start = round(one.segments[0].start_s * 16000)
        np.testing.assert_array_equal(samples, whole[start : start + 40000])
    seconds = [20.0 if len(args) < 4 else args[3] - args[2] for args in read]
    assert sum(seconds) <= (len(found) * 2.5 if rate_hz == 16000 else 20.0)


def test_a_file_that_was_written_anew_is_read_anew(recola):
    recola.participant(seconds=20.0, rate_hz=44100)
    one = windows(recola)[3]
    (before,) = waveforms(one, one.segments, 16000, "test")
    soundfile.write(recola.wav(), 0.1 * np.random.default_rng(9).standard_normal(44100 * 21), 44100)
    (after,) = waveforms(one, one.segments, 16000, "test")
    assert not np.allclose(before, after)


def test_features_of_windows_are_equally_long(recola):
    recola.participant(seconds=4.0)
    lengths = {len(LogMel(n_mels=8).extract(one).values) for one in windows(recola)}
    assert lengths == {1 + (40000 - 400) // 160}


def test_the_corpus_is_validated_and_a_broken_waveform_told_once(recola, capsys):
    recola.participant().participant("P17", seconds=20.0)
    soundfile.write(recola.wav(), np.zeros(4 * 16000), 16000)
    count = validate(Recola(recola.root))
    assert count.errors == {"silent-audio": 1}
    assert (count.sessions, count.participants, count.seconds) == (36, {"P17"}, 20.0)
    assert capsys.readouterr().out.count("silent-audio") == 2  # its line, and the count


# ---- waveform and ratings of other lengths ----


def test_ratings_behind_the_waveforms_end_are_left_out_and_counted(recola):
    recola.participant(seconds=3.2, rated_s=6.0)
    line = only(recola, "applied", "ratings-past-audio")
    assert line.endswith("P16.wav: the ratings end at 6.00 s, the waveform at 3.20 s; 6 windows are left out")
    assert [one.segments[0].stop_s for one in windows(recola)] == [2.5, 3.0]
    (lost,) = Recola(recola.root).left_out
    assert lost.sentence == "recola: 6 of 8 recordings (75.0 %) are left out by the reader's rule ratings-past-audio."


def test_sound_behind_the_ratings_end_is_left_out_and_counted(recola):
    recola.participant(seconds=6.0, rated_s=3.0)
    assert "6 windows are left out" in only(recola, "applied", "audio-past-ratings")
    assert len(windows(recola)) == 2


def test_less_than_a_hop_is_nobodys_loss(recola):
    recola.participant(seconds=4.3, rated_s=4.0)
    assert findings(recola) == []


@pytest.mark.parametrize(("seconds", "rated_s"), [(2.4, 6.0), (6.0, 2.4)])
def test_a_participant_without_a_whole_window(recola, seconds, rated_s):
    recola.participant(seconds=seconds, rated_s=rated_s).participant("P17")
    line = only(recola, "error", "too-short")
    assert line.startswith(f"{recola.wav()}: {seconds:.2f} s, rated up to {rated_s:.2f} s, ")
    assert "P17_0000" in scanned(recola)


# ---- faults of a copy ----


def test_a_missing_corpus_names_the_folder_and_the_command(tmp_path):
    with pytest.raises(DataError, match=re.escape(f"synthesize --corpus=recola --data_dir={tmp_path}")):
        open_corpus("recola", tmp_path)
    (tmp_path / "recola").mkdir()
    with pytest.raises(DataError, match=r"holds no distribution; leave in it either RECOLA-Audio-recordings and "):
        open_corpus("recola", tmp_path)


def test_both_distributions_in_one_folder(recola, avec):
    recola.participant()
    avec.participant("train_1")
    with pytest.raises(DataError, match="holds both distributions, whose participants are the same"):
        Recola(recola.root)


@pytest.mark.parametrize(
    "folder", ["RECOLA-Audio-recordings", *(f"RECOLA-Annotation/emotional_behaviour{d}" for d in ("/valence", ""))]
)
def test_a_folder_that_is_not_there(recola, folder):
    recola.participant()
    (recola.root / folder).rename(recola.root / "elsewhere")
    assert only(recola, "error", "missing-folder").startswith(f"{recola.root / folder}")


def test_folders_with_nothing_in_them(recola):
    recola.participant()
    for path in (recola.wav(), recola.path(), recola.path("valence")):
        path.unlink()
    assert only(recola, "error", "empty-corpus").startswith(f"{recola.wav().parent}: ")


def test_a_waveform_without_ratings(recola):
    recola.participant().participant("P17")
    for dimension in ("arousal", "valence"):
        recola.path(dimension).unlink()
    assert [rule for _, rule, _ in findings(recola)] == ["missing-ratings", "missing-ratings"]
    assert next(message for *_, message in findings(recola)).startswith(f"{recola.path()}: no such file")
    assert "P17_0000" in scanned(recola)


def test_ratings_without_a_waveform(recola):
    recola.participant().participant("P17")
    recola.wav().unlink()
    assert only(recola, "error", "missing-audio").startswith(f"{recola.wav()}: no such audio file")


@pytest.mark.parametrize("dimension", ["arousal", "valence"])
def test_one_dimension_without_the_other(recola, dimension):
    recola.participant().participant("P17")
    recola.path(dimension).unlink()
    assert only(recola, "error", "missing-dimension").startswith(f"{recola.path(dimension)}: no such file of ratings, ")


def test_one_dimension_of_a_test_participant(avec):
    avec.participant("test_1").participant("dev_1")
    avec.path("valence", "test_1").unlink()
    assert str(avec.path("valence", "test_1")) in only(avec, "error", "missing-dimension")


def test_dimensions_of_other_lengths(recola):
    recola.participant(arousal=curve(3.0, 0)).participant("P17")
    line = only(recola, "error", "wrong-row-count")
    assert line.startswith(f"{recola.path()}: 76 rows of arousal and 101 rows of valence, expected 101 of both")


GOOD = "0.08;"


@pytest.mark.parametrize(
    ("change", "rule", "part"),
    [
        (lambda text: text.replace("FF2 ;", "FF4 ;"), "missing-column", "line 1: no column FF2"),
        (lambda text: text.replace("FF2 ", "FM1 "), "duplicate-column", "line 1: column 'FM1' stands twice"),
        (
            lambda text: re.sub(r"(?m)$", ";0", text.rstrip()).replace("FF3;0", "FF3;FF4"),
            "wrong-column-count",
            "line 1: 8 ",
        ),
        (lambda text: text.replace("\n0.08;", "\n0.08;0.5;"), "wrong-column-count", "line 4: 7 columns expected, 8"),
        (
            lambda text: re.sub(r"(?m)^0\.08;.*$", "0.08;0.5", text),
            "wrong-column-count",
            "line 4: 7 columns expected, 2",
        ),
        (lambda text: re.sub(r"(?m)^0\.08;[^;]*", "0.08;loud", text), "not-a-number", "line 4: rating 'loud'"),
        (lambda text: re.sub(r"(?m)^0\.08;[^;]*", "0.08;NaN", text), "not-a-number", "line 4: rating 'NaN'"),
        (lambda text: re.sub(r"(?m)^0\.08;[^;]*", "0.08;-inf", text), "not-a-number", "line 4: rating '-inf'"),
        (lambda text: re.sub(r"(?m)^0\.08;[^;]*", "0.08;", text), "not-a-number", "line 4: rating ''"),
        (lambda text: re.sub(r"(?m)^0\.08;[^;]*", "0.08;1.01", text), "rating-out-of-range", "line 4: rating 1.01"),
        (lambda text: text.replace("\n0.08;", "\nsoon;"), "not-a-number", "line 4: time 'soon'"),
        (lambda text: text.replace("\n0.08;", "\n0.10;"), "time-out-of-step", "line 4: time 0.1 s, expected 0.08 s"),
        (lambda text: re.sub(r"(?m)^0\.08;.*\n", "", text), "time-out-of-step", "line 4: time 0.12 s, expected 0.08 s"),
        (lambda text: text.replace(";", ","), "missing-column", "line 1: no column time"),
        (lambda text: HEADER, "no-rows", "holds no row of ratings"),
        (lambda text: "", "no-header", "empty"),
    ],
)
def test_broken_tables_of_raters(recola, change, rule, part):
    recola.participant().participant("P17")
    recola.path().write_text(change(recola.path().read_text()))
    line = only(recola, "error", rule)
    assert line.startswith(f"{recola.path()}")
    assert part in line
    assert "P17_0000" in scanned(recola)


@pytest.mark.parametrize(
    ("change", "rule", "part"),
    [
        (lambda text: text.replace("@data", ""), "broken-arff", "line 10: 'dev_1,0.00,"),
        (lambda text: text[: text.index("@data")], "broken-arff", "has no line @data"),
        (lambda text: text.replace("@attribute frameTime numeric", "@attribute frameTime"), "broken-arff", "line 4: "),
        (lambda text: text.replace("GoldStandard", "Silver"), "missing-column", "no column GoldStandard"),
        (
            lambda text: text.replace("dev_1,0.08,", "dev_1,0.08,0,"),
            "wrong-column-count",
            "line 12: 3 values expected, 4",
        ),
        (lambda text: re.sub(r"dev_1,0\.08,.*", "dev_1,0.08,?", text), "not-a-number", "line 12: rating '?'"),
        (lambda text: re.sub(r"dev_1,0\.08,.*", "dev_1,0.08,-2", text), "rating-out-of-range", "line 12: rating -2"),
        (lambda text: text.replace("dev_1,0.08,", "dev_1,80,"), "time-out-of-step", "line 12: time 80 s"),
        (lambda text: ARFF, "no-rows", "holds no row of ratings"),
        (lambda text: "", "broken-arff", "has no line @data"),
    ],
)
def test_broken_gold_standards(avec, change, rule, part):
    avec.participant("dev_1").participant("train_1")
    path = avec.path("arousal", "dev_1")
    path.write_text(change(path.read_text()))
    line = only(avec, "error", rule)
    assert line.startswith(f"{path}")
    assert part in line
    assert "train_1_0000" in scanned(avec)


def test_bytes_that_are_not_utf_8(recola):
    recola.participant().participant("P17")
    recola.path().write_bytes(recola.path().read_bytes() + b"caf\xe9")
    assert "line 103: byte 0xe9" in only(recola, "error", "not-utf-8")


def test_a_broken_waveform_and_broken_ratings_are_both_told(recola):
    recola.participant().participant("P17")
    recola.wav().write_bytes(recola.wav().read_bytes()[:1000])
    edit(recola.path("valence"), GOOD, "0.09;")
    assert [rule for _, rule, _ in findings(recola)] == ["truncated-audio", "time-out-of-step"]
    assert scanned(recola)["P16"].recording is None
