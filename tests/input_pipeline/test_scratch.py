"""Scratch folders go away, those of killed processes too, and never one that is in use."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from input_pipeline import scratch
from input_pipeline.scratch import scratch_folder


def age(folder: Path, hours: float) -> None:
    then = time.time() - 3600 * hours
    os.utime(folder, (then, then))


def test_it_is_an_empty_folder_beside_the_target_and_gone_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "not" / "there" / "target"
    with scratch_folder(target) as folder:
        assert folder.parent == target.parent
        assert folder.name.startswith(".target.partial-")
        assert not list(folder.iterdir())
        (folder / "deep" / "er").mkdir(parents=True)
        (folder / "kept").mkdir()
        (folder / "kept").rename(target)
    assert list(target.parent.iterdir()) == [target]


def test_it_goes_where_writing_fails_too(tmp_path: Path) -> None:
    def fail() -> None:
        with scratch_folder(tmp_path / "target") as folder:
            (folder / "half").touch()
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail()
    assert not list(tmp_path.iterdir())


def test_two_writers_of_one_target_have_a_folder_each(tmp_path: Path) -> None:
    with scratch_folder(tmp_path / "target") as first, scratch_folder(tmp_path / "target") as second:
        assert first != second
        assert first.is_dir()


def test_what_a_killed_process_left_goes_after_an_hour_whatever_its_target_was(tmp_path: Path) -> None:
    script = (
        "import os, pathlib, signal\n"
        "from input_pipeline.scratch import scratch_folder\n"
        f"with scratch_folder(pathlib.Path({str(tmp_path / 'one')!r})) as folder:\n"
        "    (folder / 'half').touch()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode < 0
    (left,) = tmp_path.iterdir()
    age(left, 0.9)
    with scratch_folder(tmp_path / "another"):
        assert left.exists()
    age(left, 1.1)
    with scratch_folder(tmp_path / "another"):
        assert not left.exists()


@pytest.mark.parametrize("name", ["target", ".target", ".target.partial", ".cache-12345678", "target.partial-12345678"])
def test_no_other_old_folder_is_touched(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    age(tmp_path / name, 1000)
    with scratch_folder(tmp_path / "target"):
        pass
    assert (tmp_path / name).is_dir()


def test_nothing_behind_a_link_is_removed(tmp_path: Path) -> None:
    precious = tmp_path / "elsewhere" / "precious"
    precious.mkdir(parents=True)
    link = tmp_path / ".target.partial-12345678"
    link.symlink_to(precious.parent)
    os.utime(link, (0, 0), follow_symlinks=False)
    with scratch_folder(tmp_path / "target"):
        assert precious.is_dir()


def test_a_writer_that_takes_longer_than_an_hour_keeps_its_folder(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(scratch, "_TOUCHED_EVERY_S", 0.01)
    with scratch_folder(tmp_path / "target") as folder:
        age(folder, 2)
        give_up_at = time.monotonic() + 10
        while time.time() - folder.stat().st_mtime > 60 and time.monotonic() < give_up_at:
            time.sleep(0.01)
        with scratch_folder(tmp_path / "target"):
            assert folder.is_dir()
