"""Where a stage's examples come from: what is shared between stages, and what must not be."""

import dataclasses
import io
from typing import ClassVar

import pytest
from rich.console import Console

from input_pipeline.batching import Arrangement
from input_pipeline.config import ConfigError
from input_pipeline.errors import DataError
from input_pipeline.features import Extracted, PerRecording, Sentences
from jaxdep.config import Data, StandIn
from jaxdep.stages.sources import Sources, _folder_name


def test_one_manifest_read_with_other_classes_is_another_corpus(tmp_path):
    """The order of the classes decides which is class 1; a second stage must not get the first one's."""
    rows = [f"r{k},p{k},train,word {k},{('no', 'yes')[k % 2]}" for k in range(4)]
    (tmp_path / "talk.csv").write_text("\n".join(["id,participant,split,text,sad", *rows]) + "\n")
    sources = Sources(tmp_path, tmp_path / "features", {}, Console(file=io.StringIO()))
    for classes, expected in ((("no", "yes"), [0, 1, 0, 1]), (("yes", "no"), [1, 0, 1, 0])):
        data = Data(
            corpus="manifest:talk.csv",
            classes={"sad": classes},
            features={"text": Sentences(dim=4)},
            arrangements={"text": Arrangement(level="segments")},
            file_format="array_record",
        )
        assert sources.examples(data, tmp_path).labels["sad"].tolist() == expected


@dataclasses.dataclass
class Loudness(PerRecording):
    """A feature that the library does not know."""

    version: ClassVar[int] = 1
    kind: ClassVar[str] = "loudness"

    dim: int = 1

    def extract(self, recording):
        raise NotImplementedError


def _data(**features):
    return Data(features=features, arrangements={name: Arrangement() for name in features})


def test_data_takes_any_feature_checks_its_fields_and_tells_computed_from_extracted():
    loudness, emotion = Loudness(), Extracted(stage="emotion")
    data = _data(loudness=loudness, emotion=emotion).freeze("data")
    assert (data.computed, data.extracted) == ({"loudness": loudness}, {"emotion": emotion})
    with pytest.raises(ConfigError, match=r"^data\.features\.loudness\.dim: expected int, found 'one'"):
        _data(loudness=Loudness(dim="one")).freeze("data")
    with pytest.raises(ConfigError, match=r"^data\.features: expected dict\[str, .*Feature\]"):
        _data(loudness=3).freeze("data")


@pytest.mark.parametrize(
    ("stand_in", "folder"),
    [
        (StandIn(), "sessions120_effect1_seed0"),
        (StandIn(sessions=30, effect=0.5, seed=1234567), "sessions30_effect0.5_seed1234567"),
        (StandIn(sessions=240, emotion=1.0), "sessions240_effect1_seed0_emotion1"),
    ],
)
def test_a_stand_in_is_looked_for_where_earlier_versions_wrote_it(stand_in, folder):
    assert _folder_name(stand_in) == folder


def test_an_option_that_a_corpus_does_not_have_is_left_out_or_where_it_is_set_named(tmp_path):
    sources = Sources(tmp_path, tmp_path / "features", {}, Console(file=io.StringIO()))
    corpus = sources._corpus(Data(corpus="topical_chat", stand_in=StandIn(sessions=20)))
    assert corpus.root == tmp_path / "synthetic" / "sessions20_effect1_seed0" / "topical_chat"
    with pytest.raises(DataError, match=r"^emotion: the stand-in of topical_chat has no such option; it has sessions"):
        sources._corpus(Data(corpus="topical_chat", stand_in=StandIn(sessions=20, emotion=1.0)))


def test_files_of_a_kind_are_those_of_the_recordings_that_have_one(tmp_path):
    (tmp_path / "b.png").write_bytes(b"a picture")
    (tmp_path / "talk.csv").write_text("id,participant,split,text,image\na,p,train,word,\nb,q,train,word,b.png\n")
    sources = Sources(tmp_path, tmp_path / "features", {}, Console(file=io.StringIO()))
    data = dataclasses.replace(_data(), corpus="manifest:talk.csv")
    assert sources.tracks(data, "image") == {"b": tmp_path / "b.png"}
    assert sources.tracks(data, "video") == {}
    assert sources.tracks(dataclasses.replace(data, corpus="manifest:absent.csv"), "image") == {}
