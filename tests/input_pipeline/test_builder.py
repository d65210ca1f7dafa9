import dataclasses
import json
import resource
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import soundfile

import input_pipeline
from input_pipeline import builder
from input_pipeline.batching import read
from input_pipeline.builder import ensure, find
from input_pipeline.errors import DataError
from input_pipeline.extraction import extract
from input_pipeline.features import LogMel, Segmentation, Sentences, Words
from input_pipeline.recording import PARTICIPANT, SYNTHETIC_MARKER, Corpus, Recording, Scanned, Segment

FEATURE = LogMel(n_mels=20, deltas=1)
FORMATS = ("tfrecord", "array_record")
ROOT = Path(input_pipeline.__file__).parents[1]


class Interviews(Corpus):
    name = "interviews"
    classes = {"depression": ("healthy", "depressed")}  # noqa: RUF012

    def scan(self):
        for index in range(6):
            segments = (Segment(0.0, 0.4, PARTICIPANT, "well"), Segment(0.5, 1.0 + 0.1 * index, PARTICIPANT, ""))
            labels = {"depression": index % 2 if index else "healthy", "phq": 1.5 * index}
            if index == 5:
                del labels["depression"]
            recording = Recording(
                f"r{index}",
                f"p{index // 2}",
                "train",
                segments,
                labels,
                {"gender": "female"},
                self.root / f"{index}.wav",
            )
            yield Scanned(recording.id, recording)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    root = tmp_path_factory.mktemp("interviews")
    rng = np.random.default_rng(0)
    for index in range(6):
        soundfile.write(root / f"{index}.wav", 0.1 * rng.normal(size=16000 + 1600 * index), 16000)
    return Interviews(root)


@pytest.fixture(scope="module", params=FORMATS)
def prepared(request, corpus, tmp_path_factory):
    """A folder of prepared features, in either format. Tests that damage it copy it first."""
    features_dir = tmp_path_factory.mktemp(request.param)
    return ensure(FEATURE, corpus, features_dir=features_dir, file_format=request.param, workers=1)


def _copy(folder: Path, to: Path) -> Path:
    to.mkdir(parents=True)
    for file in folder.iterdir():
        (to / file.name).write_bytes(file.read_bytes())
    return to


def _shard(folder: Path) -> Path:
    (found,) = folder.glob("*-00000-of-00001")
    return found


def test_what_is_read_is_what_was_extracted_bit_for_bit(prepared, corpus):
    recordings = corpus.recordings()
    found = read(prepared)
    assert [item.id for item in found.recordings] == [item.id for item in recordings]
    for stored, recording, result in zip(
        found.recordings, recordings, extract(FEATURE, recordings, workers=1, progress=False), strict=True
    ):
        np.testing.assert_array_equal(stored.values, result.values)
        np.testing.assert_array_equal(stored.lengths, result.lengths)
        assert (stored.values.dtype, stored.lengths.dtype) == (np.float32, np.int32)
        assert stored.starts_s.tolist() == [segment.start_s for segment in recording.segments]
        assert stored.stops_s.tolist() == [segment.stop_s for segment in recording.segments]
        assert (stored.participant, stored.split) == (recording.participant, recording.split)
        assert (stored.labels, stored.metadata) == (recording.labels, recording.metadata)


def test_the_description_tells_corpus_feature_and_classes(prepared):
    found = read(prepared).description
    assert (found.corpus, found.synthetic, found.dim) == ("interviews", False, 40)
    assert found.classes == {"depression": ("healthy", "depressed")}
    assert found.tasks == ("depression", "phq")
    assert found.feature["type"] == "LogMel"
    assert found.feature["n_mels"] == 20


def test_features_are_computed_once(prepared, corpus, monkeypatch):
    monkeypatch.setattr(builder, "extract", lambda *_, **__: pytest.fail("extracted again"))
    features_dir, file_format = prepared.parents[1], read(prepared).description.file_format
    assert ensure(FEATURE, corpus, features_dir=features_dir, file_format=file_format) == prepared


def test_nothing_is_printed_but_progress(corpus, tmp_path, capfd):
    read(ensure(FEATURE, corpus, features_dir=tmp_path, workers=1))
    out, err = capfd.readouterr()
    assert out == ""
    assert [line.split(":")[0] for line in err.splitlines()] == ["fingerprint of interviews", "extracting log_mel"]


@pytest.mark.parametrize("change", ["label", "words", "audio", "feature", "version", "classes", "marker"])
def test_a_change_of_anything_gives_another_fingerprint(corpus, tmp_path, monkeypatch, change):
    def folder(feature=FEATURE) -> str:
        description = builder._describe(feature, copy, copy.recordings(), "tfrecord")
        return description.fingerprint

    copy = Interviews(_copy(corpus.root, tmp_path / "copy"))
    before = folder()
    assert folder() == before
    recordings = copy.recordings()
    changed = {
        "label": lambda: {"labels": {"phq": 3.0}},
        "words": lambda: {"segments": (dataclasses.replace(recordings[0].segments[0], text="no"),)},
    }
    if change in changed:
        recordings[0] = dataclasses.replace(recordings[0], **changed[change]())
        monkeypatch.setattr(copy, "recordings", lambda: recordings)
    elif change == "audio":
        data = bytearray((copy.root / "3.wav").read_bytes())
        data[-1] ^= 1
        (copy.root / "3.wav").write_bytes(data)
    elif change == "version":
        monkeypatch.setattr(LogMel, "version", LogMel.version + 1)
    elif change == "classes":
        monkeypatch.setattr(Interviews, "classes", {"depression": ("depressed", "healthy")})
    elif change == "marker":
        (copy.root / SYNTHETIC_MARKER).write_text("{}")
    after = folder(
        dataclasses.replace(FEATURE, segmentation=Segmentation(min_s=0.1)) if change == "feature" else FEATURE
    )
    assert after != before


def test_find_needs_no_corpus(prepared):
    features_dir = prepared.parents[1]
    assert find(features_dir, "interviews", FEATURE) == prepared
    assert find(features_dir, "interviews", dataclasses.replace(FEATURE, hop_s=0.02)) is None
    assert find(features_dir, "other", FEATURE) is None
    assert find(features_dir / "nowhere", "interviews", FEATURE) is None


def test_find_takes_1_and_1_0_for_the_same_number(corpus, tmp_path):
    features_dir = tmp_path
    written = ensure(dataclasses.replace(FEATURE, low_hz=20), corpus, features_dir=features_dir, workers=1)
    assert find(features_dir, "interviews", dataclasses.replace(FEATURE, low_hz=20.0)) == written


def test_find_refuses_to_choose_between_two_states_of_a_corpus(prepared, tmp_path):
    features_dir = tmp_path / "features"
    for name in ("log_mel-a", "log_mel-b"):
        folder = _copy(prepared, features_dir / "interviews" / name)
        fields = json.loads((folder / "feature_set.json").read_text())
        del fields["digest"]
        (folder / "feature_set.json").write_text(json.dumps(fields | {"fingerprint": name}))
    with pytest.raises(DataError, match="log_mel-a, log_mel-b hold this feature of different recordings"):
        find(features_dir, "interviews", FEATURE)


def test_both_formats_of_one_content_stand_side_by_side(corpus, tmp_path):
    folders = [ensure(FEATURE, corpus, features_dir=tmp_path, file_format=name, workers=1) for name in FORMATS]
    first, second = map(read, folders)
    assert first.description.fingerprint == second.description.fingerprint
    for left, right in zip(first.recordings, second.recordings, strict=True):
        np.testing.assert_array_equal(left.values, right.values)
        assert left.labels == right.labels
    assert find(tmp_path, "interviews", FEATURE) == folders[1]  # readable everywhere


def test_array_records_are_read_where_only_numpy_and_tfds_are_installed(corpus, tmp_path, where_absent):
    folder = ensure(FEATURE, corpus, features_dir=tmp_path, file_format="array_record", workers=1)
    script = f"""
        from pathlib import Path
        from input_pipeline.batching import read
        from input_pipeline.builder import find
        from input_pipeline.features import LogMel
        folder = find(Path({str(tmp_path)!r}), "interviews", LogMel(n_mels=20, deltas=1).freeze())
        print(sum(float(item.values.sum(dtype="float64")) for item in read(folder).recordings))
    """
    told = where_absent(("tensorflow", "librosa", "soundfile", "soxr", "sklearn"), script)
    assert float(told) == sum(float(item.values.sum(dtype="float64")) for item in read(folder).recordings)


def test_tfrecords_without_tensorflow_are_refused_with_the_way_out(corpus, tmp_path, monkeypatch):
    folder = ensure(FEATURE, corpus, features_dir=tmp_path, workers=1)
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(DataError, match=r"need TensorFlow.*array_record"):
        read(folder)


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "gone", "info", "spec", "sidecar"])
def test_damage_is_told_in_one_line(prepared, tmp_path, damage):
    folder = _copy(prepared, tmp_path / "copy")
    shard = _shard(folder)
    data = bytearray(shard.read_bytes())
    if damage == "flip":
        data[len(data) // 3] ^= 0x10
        shard.write_bytes(data)
    elif damage == "cut":
        shard.write_bytes(data[: len(data) // 2])
    elif damage == "empty":
        shard.write_bytes(b"")
    elif damage == "gone":
        shard.unlink()
    else:
        name = {"info": "dataset_info.json", "spec": "features.json", "sidecar": "feature_set.json"}[damage]
        text = (folder / name).read_text()
        (folder / name).write_text(text[: len(text) // 2])
    with pytest.raises(DataError, match="delete the folder and prepare it again") as raised:
        read(folder)
    assert str(folder) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_half_a_dataset_is_refused(prepared, tmp_path):
    folder = _copy(prepared, tmp_path / "copy")
    fields = json.loads((folder / "feature_set.json").read_text())
    fields |= {"recordings": [*fields["recordings"], "r6", "r7"]}
    (folder / "feature_set.json").write_text(json.dumps(fields))
    with pytest.raises(DataError, match="it is not what was written"):
        read(folder)
    del fields["digest"]  # as one who knows of it would
    (folder / "feature_set.json").write_text(json.dumps(fields))
    with pytest.raises(DataError, match="holds 6 of the 8 recordings that were prepared"):
        read(folder)


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_full_disk_is_told_in_one_line_and_leaves_nothing(corpus, tmp_path, file_format):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))  # bytes: less than the shard needs
    try:
        with pytest.raises(DataError, match=r"cannot be written .*File too large") as raised:
            ensure(FEATURE, corpus, features_dir=tmp_path, file_format=file_format, workers=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert str(tmp_path) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert list((tmp_path / "interviews").iterdir()) == []


def test_a_folder_that_cannot_be_made_is_told_in_one_line(corpus, tmp_path):
    (tmp_path / "interviews").write_text("a file where the folder should be")
    with pytest.raises(DataError, match="cannot be written"):
        ensure(FEATURE, corpus, features_dir=tmp_path, workers=1)


@pytest.mark.slow  # tests/jaxdep/command_line/test_resume.py kills there too
@pytest.mark.slow
def test_a_kill_while_writing_leaves_nothing_that_is_taken_for_features(corpus, tmp_path):
    script = f"""
        import dataclasses, importlib.util, os
        from pathlib import Path
        from input_pipeline import builder
        spec = importlib.util.spec_from_file_location("interviews_test", {__file__!r})
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        written = builder.FeatureShards.download_and_prepare

        def killed(self, **arguments):
            written(self, **arguments)
            os.kill(os.getpid(), 9)  # all shards are there, the folder has not been renamed

        builder.FeatureShards.download_and_prepare = killed
        corpus = module.Interviews(Path({str(corpus.root)!r}))
        builder.ensure(module.FEATURE, corpus, features_dir=Path({str(tmp_path)!r}), workers=1)
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], cwd=ROOT, capture_output=True, timeout=180)
    assert ended.returncode == -signal.SIGKILL
    assert list((tmp_path / "interviews").rglob("*-00000-of-00001"))
    assert find(tmp_path, "interviews", FEATURE) is None
    assert len(read(ensure(FEATURE, corpus, features_dir=tmp_path, workers=1)).recordings) == 6


def test_a_fault_of_an_encoder_is_not_taken_for_a_full_disk(corpus, tmp_path):
    def failing(feature):
        def encode(texts):
            raise OSError("the checkpoint is gone")

        return encode

    feature = Sentences(encoder="bert", checkpoint="x", dim=4)
    with pytest.raises(OSError, match=r"^the checkpoint is gone$"):
        ensure(feature, corpus, features_dir=tmp_path, encoders={"bert": failing})
    assert list((tmp_path / "interviews").iterdir()) == []


def test_a_label_that_is_no_class_is_refused_before_anything_is_computed(corpus, tmp_path, monkeypatch):
    recordings = corpus.recordings()
    recordings[2] = dataclasses.replace(recordings[2], labels={"depression": 2})
    monkeypatch.setattr(corpus, "recordings", lambda: recordings)
    with pytest.raises(DataError, match="recording r2: label 2 of task 'depression' is none of healthy, depressed"):
        ensure(FEATURE, corpus, features_dir=tmp_path, workers=1)


@pytest.mark.parametrize(
    ("change", "line"), [(lambda found: found[:0], "no recordings"), (lambda found: found * 2, "'r0'")]
)
def test_no_recordings_and_recordings_twice_are_refused(corpus, tmp_path, monkeypatch, change, line):
    recordings = change(corpus.recordings())
    monkeypatch.setattr(corpus, "recordings", lambda: recordings)
    with pytest.raises(DataError, match=line):
        ensure(FEATURE, corpus, features_dir=tmp_path, workers=1)


def test_an_audio_file_that_vanished_is_named(corpus, tmp_path):
    copy = Interviews(_copy(corpus.root, tmp_path / "copy"))
    (copy.root / "2.wav").unlink()
    with pytest.raises(DataError, match=r"2\.wav: cannot be read"):
        ensure(FEATURE, copy, features_dir=tmp_path / "features", workers=1)


def test_a_text_feature_depends_on_no_sound_but_on_the_files_of_its_checkpoint(corpus, tmp_path):
    copy = Interviews(_copy(corpus.root, tmp_path / "copy"))
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.safetensors").write_bytes(b"one")
    feature = Sentences(encoder="bert", checkpoint=str(tmp_path / "model"))

    def found() -> str:
        return builder._describe(feature, copy, copy.recordings(), "tfrecord").fingerprint

    before = found()
    sound = bytearray((copy.root / "3.wav").read_bytes())
    sound[-1] ^= 1
    (copy.root / "3.wav").write_bytes(sound)
    assert found() == before
    (tmp_path / "model" / "model.safetensors").write_bytes(b"two")
    assert found() != before


def test_another_file_of_vectors_of_the_same_name_makes_another_feature_set(corpus, tmp_path):
    vectors = tmp_path / "glove.txt"
    feature = Words(encoder="glove", checkpoint=str(vectors), dim=2)
    folders = []
    for content in ("well 1 2\n", "well 3 4\n", "well 1 2\n"):
        vectors.write_text(content)
        folders.append(ensure(feature, corpus, features_dir=tmp_path / "features"))
    assert folders[0] == folders[2] != folders[1]
    assert [read(folder).recordings[0].values.tolist() for folder in folders[:2]] == [
        [[1, 2], [0, 0]],
        [[3, 4], [0, 0]],
    ]
