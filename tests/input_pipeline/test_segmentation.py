import dataclasses
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from input_pipeline.config import ConfigError
from input_pipeline.errors import DataError
from input_pipeline.features import Segmentation
from input_pipeline.recording import INTERVIEWER, PARTICIPANT, Recording, Segment


def _interview(*segments: Segment) -> Recording:
    return Recording(id="300", participant="300", split="train", segments=segments)


DIALOGUE = _interview(
    Segment(0.0, 1.0, INTERVIEWER, "how are you"),
    Segment(1.5, 3.0, PARTICIPANT, "well"),
    Segment(3.2, 4.0, PARTICIPANT, "and you"),
    Segment(4.1, 4.2, INTERVIEWER, "mhm"),
    Segment(4.3, 9.0, PARTICIPANT, "so so"),
)


def test_the_participant_alone_by_default():
    assert [segment.text for segment in Segmentation().apply(DIALOGUE)] == ["well", "and you", "so so"]


def test_no_speakers_means_everybody():
    assert len(Segmentation(speakers=()).apply(DIALOGUE)) == 5


def test_a_recording_of_which_nothing_is_kept_may_have_one_segment_without_words():
    alone = _interview(Segment(0.5, 2.0, PARTICIPANT, "hello"), Segment(2.5, 4.0, PARTICIPANT, "there"))
    rules = Segmentation(speakers=(INTERVIEWER,))
    with pytest.raises(DataError, match="none of its 2 segments is kept"):
        rules.apply(alone)
    lenient = dataclasses.replace(rules, may_be_empty=True)
    assert lenient.apply(alone) == (Segment(0.5, 4.0),)
    assert lenient.apply(DIALOGUE) == rules.apply(DIALOGUE)


def test_segments_merge_over_a_short_gap_but_never_over_the_interviewer():
    merged = Segmentation(merge_gap_s=0.5).apply(DIALOGUE)
    assert merged == (Segment(1.5, 4.0, PARTICIPANT, "well and you"), Segment(4.3, 9.0, PARTICIPANT, "so so"))


def test_a_gap_as_long_as_the_limit_is_not_merged():
    recording = _interview(Segment(0.0, 1.0), Segment(1.5, 2.0))
    assert len(Segmentation(merge_gap_s=0.5).apply(recording)) == 2
    assert len(Segmentation(merge_gap_s=0.51).apply(recording)) == 1


def test_overlapping_segments_of_one_speaker_merge_to_the_later_end():
    recording = _interview(Segment(0.0, 5.0), Segment(1.0, 2.0))
    assert Segmentation(merge_gap_s=0.1).apply(recording) == (Segment(0.0, 5.0),)


@given(
    duration_s=st.floats(0.1, 100.0),
    window_s=st.floats(0.5, 10.0),
    overlap=st.floats(0.1, 1.0),
    start_s=st.floats(0.0, 1000.0),
)
def test_windows_that_overlap_or_touch_cover_every_moment(duration_s, window_s, overlap, start_s):
    segment = Segment(start_s, start_s + duration_s, text="words")
    windows = Segmentation(window_s=window_s, hop_s=window_s * overlap).apply(_interview(segment))
    assert windows[0].start_s == segment.start_s
    assert windows[-1].stop_s == pytest.approx(segment.stop_s, abs=1e-5)
    assert all(later.start_s <= earlier.stop_s + 1e-6 for earlier, later in itertools.pairwise(windows))
    assert all(0 < window.stop_s - window.start_s <= window_s + 1e-5 for window in windows)
    assert {window.text for window in windows} == {"words"}


def test_windows_every_half_second():
    windows = Segmentation(window_s=2.5, hop_s=0.5).apply(_interview(Segment(0.0, 4.0)))
    assert [(window.start_s, window.stop_s) for window in windows] == [(0, 2.5), (0.5, 3.0), (1.0, 3.5), (1.5, 4.0)]


def test_a_hop_beyond_the_window_makes_no_empty_window():
    windows = Segmentation(window_s=1.0, hop_s=3.0).apply(_interview(Segment(0.0, 4.0)))
    assert [(window.start_s, window.stop_s) for window in windows] == [(0.0, 1.0), (3.0, 4.0)]
    assert len(Segmentation(window_s=1.0, hop_s=3.0).apply(_interview(Segment(0.0, 2.9)))) == 1


def test_min_s_drops_short_segments_and_the_remainders_of_windows():
    recording = _interview(Segment(0.0, 0.2), Segment(1.0, 6.1))
    kept = Segmentation(window_s=2.5, min_s=0.5).apply(recording)
    assert [(segment.start_s, segment.stop_s) for segment in kept] == [(1.0, 3.5), (3.5, 6.0)]


@pytest.mark.parametrize("segmentation", [Segmentation(speakers=("therapist",)), Segmentation(min_s=60.0)])
def test_a_recording_without_a_kept_segment_is_refused_in_one_line(segmentation):
    with pytest.raises(DataError, match="recording 300: none of its 5 segments is kept") as raised:
        segmentation.apply(DIALOGUE)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("field", ["merge_gap_s", "window_s", "hop_s", "min_s"])
@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_impossible_seconds_are_named(field, value):
    with pytest.raises(ConfigError, match=field):
        dataclasses.replace(Segmentation(window_s=1.0), **{field: value}).freeze()


def test_a_hop_without_a_window_is_a_mistake():
    with pytest.raises(ConfigError, match="hop_s"):
        Segmentation(hop_s=0.5).freeze()
