import dataclasses
import multiprocessing
import textwrap

import numpy as np
import pytest
import soundfile

from input_pipeline.errors import DataError
from input_pipeline.extraction import extract
from input_pipeline.features import LogMel, Sentences
from input_pipeline.progress import progress
from input_pipeline.recording import PARTICIPANT, Recording, Segment

FEATURE = LogMel(n_mels=8, deltas=0)


@pytest.fixture
def recordings(tmp_path):
    rng = np.random.default_rng(0)
    made = []
    for index in range(7):
        path = tmp_path / f"{index}.wav"
        soundfile.write(path, 0.1 * rng.normal(size=16000 + 1600 * index), 16000)
        segments = (Segment(0.0, 0.4, PARTICIPANT, "well"), Segment(0.5, 1.0 + 0.1 * index, PARTICIPANT, "and so"))
        made.append(Recording(f"r{index}", f"p{index}", "train", segments, audio=path))
    return made


@pytest.fixture
def in_a_module(tmp_path, monkeypatch):
    """Puts the body of an `extract` into a module of its own, where worker processes find it, and returns its feature."""

    def make(name: str, body: str) -> LogMel:
        source = f"""
            import os, sys
            import dataclasses
            import numpy as np
            from input_pipeline.errors import DataError, RuleError
            from input_pipeline.features import LogMel, RecordingFeature

            @dataclasses.dataclass
            class Hostile(LogMel):
                def extract(self, recording):
                    {body}
        """
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(source))
        monkeypatch.syspath_prepend(tmp_path)
        return __import__(name).Hostile()

    return make


@pytest.mark.slow
def test_workers_give_what_this_process_gives_in_the_same_order(recordings):
    alone = list(extract(FEATURE, recordings, workers=1, progress=False))
    together = list(extract(FEATURE, recordings, workers=2, progress=False))
    assert len(alone) == len(together) == 7
    for expected, found in zip(alone, together, strict=True):
        np.testing.assert_array_equal(found.values, expected.values)
        np.testing.assert_array_equal(found.lengths, expected.lengths)
    assert [len(result.values) for result in alone] == sorted(len(result.values) for result in alone)


def test_a_fault_in_a_worker_arrives_as_its_one_line(recordings, in_a_module):
    feature = in_a_module("broken_rule", 'raise RuleError("some-rule", f"{recording.id}: broken")')
    with pytest.raises(DataError) as raised:  # a RuleError has two arguments, which pickle alone would not bring back
        list(extract(feature, recordings, workers=2, progress=False))
    assert str(raised.value) == "r0: broken"


def test_unreadable_audio_is_named(recordings):
    recordings[4].audio.write_bytes(b"not audio")
    with pytest.raises(DataError, match=r"4\.wav: ") as raised:
        list(extract(FEATURE, recordings, workers=1, progress=False))
    assert "\n" not in str(raised.value)


def test_a_killed_worker_is_told_in_one_line(recordings, in_a_module):
    feature = in_a_module("killed_worker", "os.kill(os.getpid(), 9)")
    with pytest.raises(DataError, match="worker processes was killed"):
        list(extract(feature, recordings, workers=2, progress=False))


@pytest.mark.slow
def test_workers_import_neither_jax_nor_tensorflow(recordings, in_a_module):
    told = 'LogMel().extract(recording); raise DataError(" ".join({name.split(".")[0] for name in sys.modules}))'
    with pytest.raises(DataError) as raised:
        list(extract(in_a_module("spying_worker", told), recordings, workers=2, progress=False))
    imported = set(str(raised.value).split())
    assert "librosa" in imported
    assert not imported & {"jax", "tensorflow", "tensorflow_datasets", "torch"}


def test_a_feature_that_is_not_finite_names_recording_and_frame(recordings):
    def encoder(feature):
        return lambda texts: np.array([[1.0, np.nan if text == "and so" else 1.0] for text in texts])

    feature = Sentences(encoder="bert", checkpoint="x", dim=2)
    with pytest.raises(DataError, match="recording r0: sentences is NaN or infinite in frame 1 of 2"):
        list(extract(feature, recordings, encoders={"bert": encoder}, progress=False))


def test_texts_meet_the_encoder_in_large_batches(recordings):
    calls = []

    def encoder(feature):
        return lambda texts: calls.append(len(texts)) or np.ones((len(texts), 2))

    feature = Sentences(encoder="bert", checkpoint="x", dim=2)
    many = [
        _saying(recording, f"well {copy}", f"and so {copy} {recording.id}")
        for copy in range(200)
        for recording in recordings
    ]
    found = list(extract(feature, many, encoders={"bert": encoder}, progress=False))
    assert len(found) == 1400
    # 1024 segments and more a call; the sentence that seven recordings of a copy share is embedded once a call.
    assert calls == [1024 // 2 + 74, 1024 // 2 + 74, 376 + 54]


def test_the_context_of_a_segment_is_its_neighbours_in_the_session_each_embedded_once(recordings):
    met = []

    def encoder(feature):
        return lambda texts: [met.append(text) or np.full(2, len(text)) for text in texts]

    texts = ("a", "bb", "ccc")
    session = dataclasses.replace(
        recordings[0], segments=tuple(Segment(turn, turn + 1.0, PARTICIPANT, text) for turn, text in enumerate(texts))
    )
    feature = Sentences(encoder="bert", checkpoint="x", dim=2, context=2)
    (found,) = extract(feature, [session], encoders={"bert": encoder}, progress=False)
    np.testing.assert_array_equal(found.lengths, [5, 5, 5])
    np.testing.assert_array_equal(found.values[:, 0].reshape(3, 5), [[0, 0, 1, 2, 3], [0, 1, 2, 3, 0], [1, 2, 3, 0, 0]])
    assert met == ["a", "bb", "ccc"]


def test_the_context_of_an_utterance_is_its_dialogue(recordings):
    dialogue = ("well", "", "and so", "on")
    utterances = [
        dataclasses.replace(
            recordings[0], id=f"u{turn}", segments=(Segment(0.0, 1.0, PARTICIPANT, text),), dialogue=dialogue, turn=turn
        )
        for turn, text in enumerate(dialogue)
    ]
    alone = np.concatenate([one.values for one in extract(Sentences(dim=64), utterances, progress=False)])
    found = list(extract(Sentences(dim=64, context=1), utterances, progress=False))
    edge = np.zeros(64, np.float32)
    for turn, one in enumerate(found):
        before = alone[turn - 1] if turn else edge
        after = alone[turn + 1] if turn < 3 else edge
        np.testing.assert_array_equal(one.values, [before, alone[turn], after])


def _saying(recording, *texts):
    pairs = zip(recording.segments, texts, strict=True)
    return dataclasses.replace(recording, segments=tuple(dataclasses.replace(one, text=text) for one, text in pairs))


def test_a_reader_that_stops_early_leaves_no_worker_behind(recordings, in_a_module):
    feature = in_a_module("quick_worker", "return RecordingFeature(np.ones((2, 80), np.float32), np.ones(2, np.int32))")
    found = extract(feature, recordings, workers=2, progress=False)
    next(found)
    found.close()
    assert multiprocessing.active_children() == []


def test_progress_in_a_log_is_plain_lines_with_count_rate_and_time_left(capsys):
    assert list(progress("abc", 3, "reading", "letters", every_s=0.0)) == ["a", "b", "c"]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("reading: 1/3 letters, ")
    assert lines[0].endswith(" left")
    assert lines[-1].startswith("reading: 3/3 letters, ")


def test_quick_work_leaves_one_line(capsys):
    list(progress(range(1000), 1000, "counting", "numbers"))
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1


def test_progress_on_a_terminal_is_a_bar(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert list(progress(range(4), 4, "reading", "letters")) == [0, 1, 2, 3]
    assert "4/4" in capsys.readouterr().err
