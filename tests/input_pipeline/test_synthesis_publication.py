"""A stand-in is there as a whole or not at all, and never in a real corpus's place."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from input_pipeline.errors import DataError
from input_pipeline.recording import SYNTHETIC_MARKER
from input_pipeline.synthesis.publication import publish

MARKER = {"corpus": "toy", "version": 1, "parameters": {"seed": 0}}


def _write(folder: Path) -> None:
    (folder / "a.txt").write_text("new")


def test_what_is_written_appears_with_its_marker(tmp_path: Path) -> None:
    root = tmp_path / "data" / "toy"
    assert publish(root, MARKER, _write)
    assert sorted(path.name for path in root.iterdir()) == [SYNTHETIC_MARKER, "a.txt"]
    assert json.loads((root / SYNTHETIC_MARKER).read_text()) == MARKER
    assert not publish(root, MARKER, _write)


def test_a_real_corpus_is_refused_even_with_overwrite(tmp_path: Path) -> None:
    root = tmp_path / "toy"
    root.mkdir()
    (root / "300_AUDIO.wav").write_text("precious")
    for overwrite in (False, True):
        with pytest.raises(DataError, match="no stand-in"):
            publish(root, MARKER, _write, overwrite)
    assert [path.name for path in tmp_path.rglob("*")] == ["toy", "300_AUDIO.wav"]


def test_a_dangling_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "toy").symlink_to(tmp_path / "unmounted")
    with pytest.raises(DataError, match="no stand-in"):
        publish(tmp_path / "toy", MARKER, _write, overwrite=True)


def test_other_parameters_need_overwrite_and_then_replace_the_whole_folder(tmp_path: Path) -> None:
    root = tmp_path / "toy"
    publish(root, MARKER, lambda folder: (folder / "old.txt").touch())
    other = MARKER | {"parameters": {"seed": 1}}
    with pytest.raises(DataError, match="seed=0 where 1 is asked for"):
        publish(root, other, _write)
    assert publish(root, other, _write, overwrite=True)
    assert sorted(path.name for path in root.iterdir()) == [SYNTHETIC_MARKER, "a.txt"]
    assert [path.name for path in tmp_path.iterdir()] == ["toy"]


@pytest.mark.parametrize("content", ["{", "[]", '{"parameters": 3}', "\x00"])
def test_a_broken_marker_is_an_error_in_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / SYNTHETIC_MARKER).write_text(content)
    with pytest.raises(DataError, match=SYNTHETIC_MARKER) as caught:
        publish(tmp_path / "toy", MARKER, _write)
    assert "\n" not in str(caught.value)


def test_a_writer_that_fails_leaves_nothing_and_keeps_the_old(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        _write(folder)
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        publish(tmp_path / "toy", MARKER, fail)
    assert not list(tmp_path.iterdir())
    publish(tmp_path / "toy", MARKER, _write)
    with pytest.raises(OSError, match="disk full"):
        publish(tmp_path / "toy", MARKER | {"version": 2}, fail, overwrite=True)
    assert json.loads((tmp_path / "toy" / SYNTHETIC_MARKER).read_text()) == MARKER


def test_a_folder_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    root = tmp_path / "toy"

    def write(folder: Path) -> None:
        root.mkdir()
        (root / "theirs").touch()

    with pytest.raises(DataError, match="another writer"):
        publish(root, MARKER, write)
    assert [path.name for path in root.iterdir()] == ["theirs"]


def test_a_killed_writer_shows_no_half_folder_and_is_cleaned_up_later(tmp_path: Path) -> None:
    script = (
        "import pathlib, time\n"
        "from input_pipeline.synthesis.publication import publish\n"
        "def write(folder):\n"
        "    (folder / 'half.txt').touch()\n"
        "    print('half', flush=True)\n"
        "    time.sleep(60)\n"
        f"publish(pathlib.Path({str(tmp_path / 'toy')!r}), {MARKER!r}, write)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"half\n"
        writer.kill()
    assert not (tmp_path / "toy").exists()
    (left,) = tmp_path.glob(".toy.partial-*")
    assert publish(tmp_path / "toy", MARKER, _write)
    assert left.exists()  # a fresh one may belong to a writer at work
    yesterday = time.time() - 86400
    os.utime(left, (yesterday, yesterday))
    publish(tmp_path / "toy", MARKER | {"version": 2}, _write, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["toy"]
