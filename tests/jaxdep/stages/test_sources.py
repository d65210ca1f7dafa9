"""Where a stage's examples come from: what is shared between stages, and what must not be."""

import dataclasses
import io
from typing import ClassVar

import pytest
from rich.console import Console

from input_pipeline.batching import Arrangement
from input_pipeline.config import ConfigError
from input_pipeline.features import Extracted, PerRecording, Sentences
from jaxdep.config import Data
from jaxdep.stages.sources import Sources


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
