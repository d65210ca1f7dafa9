"""Precomputed features: rates are aligned, what the files mark as invalid does not count, a broken row is one line."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import scipy.io

from input_pipeline.batching import Arrangement, arrange, read
from input_pipeline.builder import ensure
from input_pipeline.config import ConfigError
from input_pipeline.corpora import daic_woz, e_daic
from input_pipeline.errors import DataError
from input_pipeline.features import Segmentation, Tracks
from input_pipeline.features.track_files import FORMATS, read_track
from input_pipeline.recording import Corpus, Recording, Scanned, Segment
from input_pipeline.synthesis import e_daic_tracks, tracks

RNG = np.random.default_rng(0)


def covarep(path, rows=300):
    """A file of COVAREP at 100 Hz; gives its values."""
    values = RNG.normal(size=(rows, 74)).round(3)
    values[:, 1] = RNG.random(rows) < 0.5
    values[5, 40] = -np.inf
    path.write_text("\n".join(",".join(f"{cell:g}" for cell in row) for row in values) + "\n")
    return values


def pose(path, rows=90, lead=None):
    """A file of CLNF's pose at 30 frames a second, with the header's leading spaces; gives lead and values."""
    values = RNG.normal(size=(rows, 6)).round(3)
    if lead is None:
        lead = np.stack([np.arange(1, rows + 1), (np.arange(rows) / 30).round(3), np.ones(rows), np.ones(rows)], 1)
    header = "frame, timestamp, confidence, success, Tx, Ty, Tz, Rx, Ry, Rz\n"
    path.write_text(header + "\n".join(", ".join(f"{cell:g}" for cell in row) for row in np.hstack([lead, values])))
    return lead, values


def recording(*seconds, name="r0", **kinds):
    segments = tuple(Segment(start, stop, text="a") for start, stop in seconds)
    return Recording(name, name, "train", segments, {"kind": "long"}, tracks=kinds)


def reference(times_s, values, valid, start_s, frames, rate_hz):
    """Means over the frames by pandas; NaN where no row is valid."""
    frame = pd.Series(np.floor((times_s - start_s) * rate_hz + 1e-6).astype(int))
    table = pd.DataFrame(np.where(valid, values, np.nan)).groupby(frame).mean()
    return table.reindex(range(frames)).to_numpy()


def filled(found):
    """NaN as the mean of the column, or 0."""
    return pd.DataFrame(found).fillna(pd.DataFrame(found).mean()).fillna(0.0).to_numpy()


def test_covarep_without_voice_and_infinite_cells_do_not_count(tmp_path):
    values = covarep(tmp_path / "c.csv")
    result = Tracks(of=("covarep",)).extract(recording((0.0, 1.0), (1.35, 2.4), covarep=tmp_path / "c.csv"))
    assert result.lengths.tolist() == [10, 10]  # the second lasts 1.05 s
    valid = np.isfinite(values)
    valid[:, [0, 2, 3, 4, 5, 6, 7, 8]] &= values[:, [1]] == 1
    times_s = np.arange(300) / 100
    of_segments = [reference(times_s, values, valid, start, 10, 10) for start in (0.0, 1.35)]
    np.testing.assert_allclose(result.values, filled(np.concatenate(of_segments)), atol=1e-5)


def test_the_faces_of_no_success_or_little_confidence_do_not_count(tmp_path):
    lead, values = pose(tmp_path / "p.txt")
    lead[3:6, 3] = 0  # the whole second frame
    lead[10, 2] = 0.4
    RNG.bit_generator.state = np.random.default_rng(1).bit_generator.state
    _, values = pose(tmp_path / "p.txt", lead=lead)
    found = Tracks(of=("clnf_pose",), mark_valid=True).extract(recording((0.0, 2.0), clnf_pose=tmp_path / "p.txt"))
    valid = np.repeat(((lead[:, 3] == 1) & (lead[:, 2] >= 0.5))[:, None], 6, axis=1)
    # A timestamp has three decimals: 0.333 belongs to the frame that begins at 0.3.
    expected = reference(lead[:, 1], values, valid, 0.0, 20, 10)
    np.testing.assert_allclose(found.values[:, :6], filled(expected), atol=1e-5)
    assert found.values[:4, 6].tolist() == pytest.approx([1, 0, 1, 2 / 3])
    kept = Tracks(of=("clnf_pose",), min_confidence=0.3, mark_valid=True)
    assert kept.extract(recording((0.0, 2.0), clnf_pose=tmp_path / "p.txt")).values[3, 6] == 1


def test_kinds_of_different_rates_stand_side_by_side(tmp_path):
    voice, (_, face) = covarep(tmp_path / "c.csv"), pose(tmp_path / "p.txt")
    feature = Tracks(of=("clnf_pose", "covarep"), rate_hz=100.0)
    found = feature.extract(recording((0.5, 1.0), covarep=tmp_path / "c.csv", clnf_pose=tmp_path / "p.txt"))
    assert found.values.shape == (50, feature.dim) == (50, 80)
    np.testing.assert_allclose(found.values[:, 6 + 1], voice[50:100, 1])  # VUV is always valid
    # The face has 30 rows a second: a frame has the row that begins in it, or else the one that lasts through it.
    row = np.searchsorted((np.arange(90) / 30).round(3), np.arange(51, 101) / 100 - 1e-6) - 1
    np.testing.assert_allclose(found.values[:, :6], face[row], atol=1e-6)


def test_behind_the_end_of_a_file_stands_the_mean_and_a_recording_without_one_is_masked(tmp_path):
    pose(tmp_path / "p.txt", rows=30)
    found = Tracks(of=("clnf_pose",), mark_valid=True).extract(
        recording((0.0, 1.0), (5.0, 6.0), clnf_pose=tmp_path / "p.txt")
    )
    np.testing.assert_allclose(found.values[10:, :6], np.tile(found.values[:10, :6].mean(0), (10, 1)), atol=1e-5)
    assert found.values[:, 6].tolist() == [1] * 10 + [0] * 10
    lacking = Tracks(of=("clnf_pose", "formant")).extract(recording((0.0, 1.0), clnf_pose=tmp_path / "p.txt"))
    assert (lacking.values.shape, lacking.lengths.tolist()) == ((0, 11), [0])


def test_no_row_outside_a_segment_enters_it(tmp_path):
    pose(tmp_path / "p.txt")
    spans = [(0.0, 0.04), (0.5, 0.95)]
    before = Tracks(of=("clnf_pose",)).extract(recording(*spans, clnf_pose=tmp_path / "p.txt"))
    lines = (tmp_path / "p.txt").read_text().split("\n")
    for index, line in enumerate(lines[1:], start=1):
        cells = line.split(", ")
        if not any(start <= float(cells[1]) < stop for start, stop in spans):
            lines[index] = ", ".join([*cells[:4], *["1000"] * 6])
    (tmp_path / "p.txt").write_text("\n".join(lines))
    after = Tracks(of=("clnf_pose",)).extract(recording(*spans, clnf_pose=tmp_path / "p.txt"))
    assert before.lengths.tolist() == [1, 4]
    np.testing.assert_array_equal(before.values, after.values)


def broken(path, change):
    pose(path)
    lines = path.read_text().split("\n")
    path.write_text("\n".join(change(lines)))


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda lines: [*lines[:4], lines[4].rpartition(",")[0], *lines[5:]], "line 5: 9 columns, 10 are expected"),
        (lambda lines: [*lines[:4], f"{lines[4]}, 1", *lines[5:]], "line 5: 11 columns, 10 are expected"),
        (
            lambda lines: [*lines[:4], lines[4].replace(", ", ", x", 1), *lines[5:]],
            "line 5: column 2 is 'x0.1', no number",
        ),
        (lambda lines: [*lines[:4], f"{lines[4]},"[:-1].rpartition(" ")[0], *lines[5:]], "line 5: column 10 is '', no"),
        (lambda lines: [line.rpartition(",")[0] for line in lines], "has 9 columns, 10 are expected"),
        (lambda lines: lines[:1], "holds no row"),
        (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], "row 2 below the header: its time is 0 s"),
    ],
)
def test_a_broken_row_is_one_line_with_its_number(tmp_path, change, line):
    path = tmp_path / "300_CLNF_pose.txt"
    broken(path, change)
    with pytest.raises(DataError) as told:
        Tracks(of=("clnf_pose",)).extract(recording((0.0, 1.0), clnf_pose=path))
    assert str(told.value).startswith(str(path))
    assert line in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("write", "line"),
    [
        (lambda path: path.write_bytes(b"MATLAB 5.0"), "cannot be read as a .mat file"),
        (lambda path: scipy.io.savemat(path, {"other": np.ones((2, 2048))}), "holds no matrix 'feature'"),
        (lambda path: scipy.io.savemat(path, {"feature": np.ones((2, 5))}), "holds a matrix 'feature' of 2x5"),
    ],
)
def test_a_broken_mat_file_is_one_line(tmp_path, write, line):
    path = tmp_path / "f.mat"
    write(path)
    with pytest.raises(DataError, match=line) as told:
        read_track("cnn_resnet", path, lambda: 1.0, 0.5)
    assert "\n" not in str(told.value)


def test_every_kind_that_the_readers_find_is_read_as_the_stand_ins_write_it(tmp_path):
    pitch_hz, formants_hz = np.full(300, 120.0), np.full((300, 5), 500.0)
    tracks.write_vocal(tmp_path / "300", pitch_hz, formants_hz, RNG)
    tracks.write_face(tmp_path / "300", 90, RNG)
    (tmp_path / "e").mkdir()
    e_daic_tracks.write(tmp_path / "e" / "300", pitch_hz, formants_hz, RNG)
    files = {path.name.lower(): path for path in tmp_path.rglob("300_*")}
    of_daic = daic_woz._tracks(300, files)
    of_e_daic = {kind: files[f"300_{suffix}".lower()] for kind, suffix in e_daic._TRACKS.items()}
    assert {*of_daic, *of_e_daic} == set(FORMATS)
    for kind, path in (of_daic | of_e_daic).items():
        found = read_track(kind, path, lambda: 3.0, 0.5)
        assert found.values.shape == (len(found.times_s), FORMATS[kind].width), kind
        assert 2.0 <= found.times_s[-1] < 3.0 + 1e-9, kind
    assert read_track("covarep", of_daic["covarep"], lambda: 3.0, 0.5).values[:, 0].tolist() == [120.0] * 300


class Two(Corpus):
    """Two recordings with a file of pose, one of which lacks it."""

    name = "two"
    classes = {"kind": ("short", "long")}  # noqa: RUF012

    def scan(self):
        for name, kinds in (("r0", {"clnf_pose": self.root / "p.txt"}), ("r1", {})):
            yield Scanned(name, recording((0.0, 1.0), (1.0, 2.5), name=name, **kinds))


def test_from_files_to_examples_and_anew_where_a_file_changes(tmp_path):
    pose(tmp_path / "p.txt")
    feature = Tracks(of=("clnf_pose",), segmentation=Segmentation(min_s=0.5)).freeze()
    folders = [ensure(feature, Two(tmp_path), features_dir=tmp_path / "features", workers=1) for _ in range(2)]
    assert folders[0] == folders[1]
    examples = arrange({"face": read(folders[0])}, {"face": Arrangement(level="segments_frames")})
    assert examples.buckets[0].features["face"].mask.sum((1, 2)).tolist() == [25, 0]
    assert [(one.unit, one.lost, one.of) for one in examples.left_out] == [("recordings", 1, 2)]
    pose(tmp_path / "p.txt")
    assert ensure(feature, Two(tmp_path), features_dir=tmp_path / "features", workers=1) != folders[0]


@pytest.mark.parametrize(
    ("feature", "line"),
    [
        (Tracks(of=()), "of: expected one or more of covarep"),
        (Tracks(of=("covarep", "covarep")), "each once, found covarep, covarep"),
        (Tracks(of=("clnf_hog",)), "found 'clnf_hog'"),
        (Tracks(rate_hz=0), "rate_hz: expected a number above 0"),
        (Tracks(min_confidence=1.5), "min_confidence: expected a number from 0 to 1"),
    ],
)
def test_wrong_configs_are_refused(feature, line):
    with pytest.raises(ConfigError, match=line):
        feature.freeze()


def test_files_that_nobody_has_are_told_at_the_start(tmp_path):
    with pytest.raises(ConfigError, match="of: no recording has a file 'covarep'; there are clnf_pose"):
        Tracks().check_recordings([recording((0.0, 1.0), clnf_pose=tmp_path / "p.txt")])


def test_times_of_a_matrix_follow_from_the_audio(tmp_path, wav):
    wav(np.full(4 * 16000, 0.1))
    matrix = RNG.normal(size=(8, 2048))
    scipy.io.savemat(tmp_path / "f.mat", {"feature": matrix})
    one = dataclasses.replace(recording((1.0, 2.0), cnn_resnet=tmp_path / "f.mat"), audio=tmp_path / "a.wav")
    found = Tracks(of=("cnn_resnet",), rate_hz=2.0).extract(one)
    np.testing.assert_allclose(found.values, matrix[2:4], atol=1e-6)
    with pytest.raises(DataError, match="recording r0: the times of its tracks follow from its audio"):
        Tracks(of=("cnn_resnet",)).extract(dataclasses.replace(one, audio=None))


def test_utterances_of_an_interview_read_its_file_once_and_get_what_each_would_alone(tmp_path, monkeypatch):
    for name in ("a", "b"):
        pose(tmp_path / f"{name}.txt")
    spans = [(0.0, 0.9), (1.0, 1.4), (2.0, 2.05), (5.0, 6.0)]
    utterances = [
        recording(span, name=f"{name}_{number}", clnf_pose=tmp_path / f"{name}.txt")
        for name in ("a", "b")
        for number, span in enumerate(spans)
    ]
    feature = Tracks(of=("clnf_pose",), mark_valid=True).freeze()
    alone = [feature.extract(one) for one in utterances]
    reads = []

    def counted(kind, path, *others):
        reads.append(path.name)
        return read_track(kind, path, *others)

    monkeypatch.setattr("input_pipeline.features.tracks.read_track", counted)
    together = list(feature.compute(utterances, encoders={}, workers=1))
    assert reads == ["a.txt", "b.txt"]
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_array_equal(one.values, other.values)
        np.testing.assert_array_equal(one.lengths, other.lengths)


def test_an_utterance_in_which_a_face_is_lost_is_masked_if_asked(tmp_path):
    lead = np.stack([np.arange(1, 91), (np.arange(90) / 30).round(3), np.ones(90), np.ones(90)], 1)
    lead[30:60, 3] = 0  # the second second
    pose(tmp_path / "p.txt", lead=lead)
    utterances = [recording((start, start + 1.0), clnf_pose=tmp_path / "p.txt") for start in (0.0, 1.0, 2.0, 9.0)]
    masking = Tracks(of=("clnf_pose",), mask_invalid=True)
    found = [masking.extract(one) for one in utterances]
    assert [one.lengths.tolist() for one in found] == [[10], [0], [10], [0]]
    assert [len(one.values) for one in found] == [10, 0, 10, 0]
    kept = Tracks(of=("clnf_pose",)).extract(utterances[1])
    assert kept.lengths.tolist() == [10]
    assert not kept.values.any()
