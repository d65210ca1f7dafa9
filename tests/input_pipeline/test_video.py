"""Video files: the times of frames, which way up they are, and files that are none or are damaged."""

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from input_pipeline import video
from input_pipeline.corpora.manifest import Manifest
from input_pipeline.errors import RuleError
from input_pipeline.validate import validate

HEIGHT, WIDTH = 48, 64


def write_clip(path: Path, frames: int = 30, rate_hz: float = 30.0, codec: str = "mp4v") -> Path:
    """Frame i is of the gray 4 i, its upper left quarter white."""
    cv2 = video.load_opencv()
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), rate_hz, (WIDTH, HEIGHT))
    for index in range(frames):
        frame = np.full((HEIGHT, WIDTH, 3), 4 * index, np.uint8)
        frame[: HEIGHT // 2, : WIDTH // 2] = 255
        writer.write(frame)
    writer.release()
    return path


def turned(path: Path) -> Path:
    """The clip with the mark of a telephone that was held upright: to be shown a quarter to the right."""
    content = path.read_bytes()
    upright = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    at = content.find(upright, content.find(b"tkhd"))
    quarter = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, HEIGHT << 16, 0, 1 << 30)
    path.write_bytes(content[:at] + quarter + content[at + len(upright) :])
    return path


def refusal(path: Path) -> RuleError:
    with pytest.raises(RuleError) as raised:
        video.times_s(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert "\n" not in str(raised.value)
    return raised.value


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "mp4v"), ("a.avi", "MJPG"), ("a.mkv", "mp4v")])
def test_frames_have_the_files_own_times(tmp_path, name, codec):
    clip = write_clip(tmp_path / name, 20, 25.0, codec)
    np.testing.assert_allclose(video.times_s(clip), np.arange(20) / 25, atol=1e-3)


def test_one_frame_a_second(tmp_path):
    np.testing.assert_allclose(video.times_s(write_clip(tmp_path / "slow.mp4", 4, 1.0)), np.arange(4.0), atol=1e-6)


def test_the_frames_asked_for_are_those_given(tmp_path):
    clip = write_clip(tmp_path / "a.mp4")
    found = [int(picture[-8:, -8:].mean().round()) for picture in video.pictures(clip, [0, 7, 8, 29])]
    np.testing.assert_allclose(found, [0, 28, 32, 116], atol=3)  # of a lossy codec
    assert list(video.pictures(clip, [])) == []


def test_a_clip_of_a_telephone_held_upright_is_turned(tmp_path):
    (picture,) = video.pictures(turned(write_clip(tmp_path / "a.mp4")), [0])
    assert picture.shape == (WIDTH, HEIGHT, 3)
    white = picture[: WIDTH // 2 - 4, HEIGHT // 2 + 4 :]  # what was upper left is upper right
    assert white.mean() > 240
    assert picture[WIDTH // 2 + 4 :].mean() < 15


def test_files_that_are_no_video_are_refused(tmp_path):
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("this is no video\n" * 100)
    soundfile.write(tmp_path / "sound.wav", np.zeros(16000), 16000)
    assert refusal(tmp_path / "none.mp4").rule == "missing-video"
    assert refusal(tmp_path / "empty.mp4").rule == "empty-video"
    assert refusal(tmp_path / "text.mp4").rule == "unreadable-video"
    assert refusal(tmp_path / "sound.wav").rule == "unreadable-video"
    assert refusal(write_clip(tmp_path / "frameless.mp4", 0)).rule == "unreadable-video"


@pytest.mark.parametrize("share", [0.05, 0.5, 0.99])
def test_a_cut_mp4_is_refused(tmp_path, share):
    clip = write_clip(tmp_path / "a.mp4")
    clip.write_bytes(clip.read_bytes()[: int(share * clip.stat().st_size)])
    assert refusal(clip).rule == "truncated-video"


def test_what_stands_behind_an_mp4_does_no_harm(tmp_path):
    clip = write_clip(tmp_path / "a.mp4")
    clip.write_bytes(clip.read_bytes() + bytes(100))
    assert len(video.times_s(clip)) == 30


def test_an_mp4_whose_frames_are_overwritten_is_refused(tmp_path):
    clip = write_clip(tmp_path / "a.mp4", 60)
    content = bytearray(clip.read_bytes())
    start, stop = content.find(b"mdat") + 100, content.find(b"moov") - 4
    content[start:stop] = np.random.default_rng(0).bytes(stop - start)
    clip.write_bytes(content)
    assert refusal(clip).rule in ("damaged-video", "unreadable-video")


def test_a_playlist_opens_no_other_file(tmp_path):
    clip = write_clip(tmp_path / "a.mp4")
    list_of = tmp_path / "list.mp4"
    list_of.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{clip}\n#EXT-X-ENDLIST\n")
    assert refusal(list_of).rule == "unreadable-video"


def test_nothing_is_printed_of_damaged_files(tmp_path):
    clip = write_clip(tmp_path / "a.mp4", 60)
    content = bytearray(clip.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 200] = np.random.default_rng(0).bytes(200)
    clip.write_bytes(content)
    (tmp_path / "text.mp4").write_text("this is no video\n" * 100)
    program = f"""
import contextlib
from pathlib import Path
from input_pipeline import video
from input_pipeline.corpora.manifest import Manifest
from input_pipeline.errors import RuleError
from input_pipeline.validate import validate
for name in ("a.mp4", "text.mp4", "none.mp4"):
    with contextlib.suppress(RuleError):
        video.times_s(Path({str(tmp_path)!r}) / name)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_the_validator_reads_videos_to_their_end(tmp_path, capsys):
    write_clip(tmp_path / "whole.mp4")
    cut = write_clip(tmp_path / "cut.mp4")
    cut.write_bytes(cut.read_bytes()[:1000])
    (tmp_path / "frames").mkdir()
    (tmp_path / "own.csv").write_text("id,participant,video\na,p,whole.mp4\nb,q,cut.mp4\nc,r,frames\nd,q,cut.mp4\n")
    count = validate(Manifest(tmp_path / "own.csv"))
    assert dict(count.errors) == {"truncated-video": 1}
    assert f"{cut}: truncated, its parts promise " in capsys.readouterr().out
    assert len(count.participants) == 2
