"""TensorBoard's event files, read back record by record."""

import math
import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tensorboardX.proto.event_pb2 import Event

from jaxdep.report.tensorboard import write_events


def read_events(folder: Path) -> dict[tuple[str, int], float]:
    """The scalars of every event file by tag and step; a record is length (8), CRC (4), data, CRC (4)."""
    found: dict[tuple[str, int], float] = {}
    for path in folder.glob("events.out.tfevents.*"):
        data = path.read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            event = Event.FromString(data[12 : 12 + length])
            for value in event.summary.value:
                assert (value.tag, event.step) not in found
                found[value.tag, event.step] = value.simple_value
            data = data[16 + length :]
    return found


@pytest.fixture
def frame() -> pd.DataFrame:
    rows = [(seed, "dev", epoch, "loss", seed + 10 * epoch) for seed in range(11) for epoch in (0, 1)]
    return pd.DataFrame(
        [*rows, (11, "dev", 0, "loss", math.nan)], columns=["seed", "split", "epoch", "metric", "value"]
    )


def test_tags_are_mean_and_quantiles_over_the_seeds_that_are_finite(tmp_path: Path, frame: pd.DataFrame) -> None:
    write_events(tmp_path, frame)
    found = read_events(tmp_path)
    assert {tag for tag, _ in found} == {f"dev/loss/{name}" for name in ("mean", "q10", "q50", "q90")}
    values = [found[f"dev/loss/{name}", step] for step in (0, 1) for name in ("mean", "q10", "q50", "q90")]
    np.testing.assert_allclose(values, [5, 1, 5, 9, 15, 11, 15, 19], rtol=1e-6)


def test_writing_again_replaces_events_and_touches_nothing_else(tmp_path: Path, frame: pd.DataFrame) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    write_events(tmp_path, frame)
    write_events(tmp_path, frame[frame["epoch"] == 0])
    assert {step for _, step in read_events(tmp_path)} == {0}
    assert len(list(tmp_path.glob("events.out.tfevents.*"))) == 1
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_no_metrics_at_all_write_no_tags(tmp_path: Path, frame: pd.DataFrame) -> None:
    write_events(tmp_path / "new", frame.iloc[:0])
    assert read_events(tmp_path / "new") == {}
