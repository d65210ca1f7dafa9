"""What a new feature needs: a class. These are no part of the library, and go all the way from corpus to examples."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from input_pipeline.batching import Arrangement, arrange, read
from input_pipeline.builder import ensure, find
from input_pipeline.errors import DataError
from input_pipeline.features import Computed, Encoders, LogMel, PerRecording, RecordingFeature
from input_pipeline.recording import Corpus, Recording, Scanned, Segment, fingerprint

SECONDS = {"p0": (1.0, 2.0), "p1": (3.0,), "p2": (0.5, 0.5, 4.0)}


class Talks(Corpus):
    name = "talks"
    classes: ClassVar = {"kind": ("short", "long")}

    def scan(self):
        for speaker, seconds in SECONDS.items():
            stops = np.cumsum(seconds)
            segments = tuple(
                Segment(float(stop - s), float(stop), text="a b") for stop, s in zip(stops, seconds, strict=True)
            )
            labels = {"kind": "long" if sum(seconds) > 3 else "short"}
            yield Scanned(speaker, Recording(speaker, speaker, "", segments, labels, tracks=self.tracks(speaker)))

    def tracks(self, speaker: str) -> dict[str, Path]:
        path = self.root / f"{speaker}.txt"
        return {"gaze": path} if path.is_file() else {}


@dataclasses.dataclass
class Weighted(PerRecording):
    """A segment's seconds times the number in a file, computed in worker processes."""

    version: ClassVar[int] = 1
    kind: ClassVar[str] = "weighted"
    reads_tracks: ClassVar[tuple[str, ...]] = ("gaze",)

    weights: str = ""

    @property
    def dim(self) -> int:
        return 1

    def files(self) -> tuple[Path, ...]:
        return (Path(self.weights),)

    def extract(self, recording: Recording) -> RecordingFeature:
        path = Path(self.weights)
        weight = float((path / "w" if path.is_dir() else path).read_text())
        gaze = float(recording.tracks["gaze"].read_text()) if recording.tracks else 0.0
        seconds = [segment.stop_s - segment.start_s for segment in self.segmentation.apply(recording)]
        return RecordingFeature(np.array(seconds, np.float32)[:, None] * weight + gaze, np.ones(len(seconds), np.int32))


@dataclasses.dataclass
class OfTheCorpus(Computed):
    """What no single recording tells, by a model that the caller hands in: whose turn it is among all."""

    version: ClassVar[int] = 1
    kind: ClassVar[str] = "of_the_corpus"
    reads_audio: ClassVar[bool] = False

    dim: int = 2

    def compute(self, recordings, *, encoders: Encoders, workers: int):
        model = encoders["place"](self)
        for place, recording in enumerate(recordings):
            count = len(self.segmentation.apply(recording))
            yield RecordingFeature(np.tile(model(place), (count, 1)), np.ones(count, np.int32))


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    (tmp_path / "w").write_text("2")
    return tmp_path / "w"


@pytest.fixture
def shards(tmp_path: Path) -> Callable[..., Path]:
    def make(feature: Computed, **options) -> Path:
        return ensure(feature, Talks(tmp_path), features_dir=tmp_path / "features", **{"workers": 1} | options)

    return make


def test_a_feature_of_each_recording_goes_from_corpus_to_examples(tmp_path, shards, weights):
    feature = Weighted(weights=str(weights))
    found = {"seconds": read(shards(feature, workers=2))}  # the workers find the class in this module
    examples = arrange(found, {"seconds": Arrangement(level="segments")})
    values, mask = examples.buckets[0].features["seconds"]
    np.testing.assert_array_equal(mask.sum(axis=1), [2, 1, 3])
    np.testing.assert_allclose(values[mask][:, 0], 2 * np.concatenate(list(SECONDS.values())))
    assert examples.labels["kind"].tolist() == [0, 0, 1]
    assert find(tmp_path / "features", "talks", feature) == shards(feature)


def test_a_feature_of_the_whole_corpus_takes_a_model_that_is_handed_in(shards):
    encoders = {"place": lambda feature: lambda place: np.full(feature.dim, place, np.float32)}
    found = read(shards(OfTheCorpus(), encoders=encoders))
    assert [one.values.tolist() for one in found.recordings] == [[[0, 0]] * 2, [[1, 1]], [[2, 2]] * 3]


@pytest.mark.parametrize("place", ["file", "folder"])
def test_other_bytes_in_a_weight_file_make_other_shards(tmp_path, shards, weights, place):
    feature = Weighted(weights=str(weights if place == "file" else weights.parent))
    folders = []
    for content in ("2", "3", "2"):
        weights.write_text(content)
        folders.append(shards(feature))
    assert folders[0] == folders[2] != folders[1]
    assert [read(folder).recordings[1].values.item() for folder in folders[:2]] == [6, 9]


def test_other_bytes_in_a_track_that_is_read_make_other_shards(tmp_path, shards, weights):
    feature, other = Weighted(weights=str(weights)), OfTheCorpus()
    encoders = {"place": lambda feature: lambda place: np.zeros(2, np.float32)}
    folders = []
    for content in ("1", "5"):
        (tmp_path / "p1.txt").write_text(content)
        folders.append((shards(feature), shards(other, encoders=encoders)))
    assert [read(folder).recordings[1].values.item() for folder, _ in folders] == [7, 11]
    assert folders[0][1] == folders[1][1]  # which does not read it


def test_a_weight_file_that_is_gone_is_named_before_anything_is_computed(tmp_path, shards):
    with pytest.raises(DataError, match=r"none\.bin: cannot be read \(No such file") as raised:
        shards(Weighted(weights=str(tmp_path / "none.bin")))
    assert "\n" not in str(raised.value)


def test_a_class_without_what_every_feature_says_cannot_be_made():
    @dataclasses.dataclass
    class Unfinished(PerRecording):
        version: ClassVar[int] = 1
        kind: ClassVar[str] = "unfinished"

    with pytest.raises(TypeError, match=r"dim.*extract|extract.*dim"):
        Unfinished()


def test_a_field_that_is_added_later_makes_no_shards_anew():
    @dataclasses.dataclass(frozen=True)
    class Later(Recording):
        topic: str = ""

    given = {"id": "r", "participant": "p", "split": "train", "segments": (), "labels": {"x": 1.0}}
    assert fingerprint(Later(**given)) == fingerprint(Recording(**given))
    assert fingerprint(Later(**given, topic="weather")) != fingerprint(Recording(**given))
    assert set(LogMel(deltas=2).compact()) == {"type", "deltas"}
