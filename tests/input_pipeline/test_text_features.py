import dataclasses

import numpy as np
import pytest
from sklearn.utils import murmurhash3_32

from input_pipeline.config import ConfigError
from input_pipeline.extraction import extract
from input_pipeline.features import Segmentation, Sentences
from input_pipeline.features.text import embed, encoder_of
from input_pipeline.recording import INTERVIEWER, PARTICIPANT, Recording, Segment


def _hashed(*texts: str) -> np.ndarray:
    return np.concatenate(embed(texts, encoder_of(Sentences(), texts), 768))


def test_a_text_without_words_is_the_zero_vector_and_others_have_length_one():
    vectors = _hashed("i feel fine", "", "   ", "no")
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [1, 0, 0, 1], atol=1e-6)
    assert vectors.dtype == np.float32


def test_words_and_pairs_of_words_stand_where_murmurhash_puts_them():
    terms = ["i", "feel", "fine", "i feel", "feel fine"]
    hashes = [murmurhash3_32(term, seed=0) for term in terms]
    expected = np.zeros(768)
    expected[[abs(found) % 768 for found in hashes]] = np.sign(hashes) / np.sqrt(len(terms))
    np.testing.assert_allclose(_hashed("I feel fine")[0], expected, atol=1e-6)


def test_case_is_ignored_and_order_is_not():
    same, other, turned = _hashed("I am not well", "i am NOT well", "not well i am")
    np.testing.assert_array_equal(same, other)
    assert 0 < same @ turned < 0.999


def test_words_of_one_letter_count():
    with_i, without = _hashed("i cry", "cry")
    assert with_i @ without < 0.9


def test_the_encoder_never_meets_an_empty_text():
    met: list[str] = []

    def encoder(texts):
        met.extend(texts)
        return np.ones((len(texts), 4))

    vectors = embed(["a", "", "b"], encoder, 4)
    assert met == ["a", "b"]
    np.testing.assert_array_equal(np.concatenate(vectors)[:, 0], [1, 0, 1])


def test_texts_that_are_all_empty_need_no_encoder():
    np.testing.assert_array_equal(embed(["", ""], lambda texts: pytest.fail("called"), 4), np.zeros((2, 1, 4)))


def test_an_encoder_of_another_length_is_named():
    with pytest.raises(ConfigError, match=r"dim: 4, but the encoder made an array of \(1, 5\)"):
        embed(["a"], lambda texts: np.ones((len(texts), 5)), 4)


def test_one_vector_a_segment_in_the_segments_order():
    def of_length(feature: Sentences):
        return lambda texts: np.array([[len(text)] * feature.dim for text in texts])

    segments = tuple(
        Segment(start, start + 1, speaker, text)
        for start, (speaker, text) in enumerate(
            [(PARTICIPANT, "abc"), (INTERVIEWER, "leading question"), (PARTICIPANT, ""), (PARTICIPANT, "a")]
        )
    )
    recordings = [Recording(f"r{index}", "p", "", segments[index:]) for index in range(3)]
    feature = Sentences(encoder="bert", checkpoint="some", dim=2)
    found = list(extract(feature, recordings, encoders={"bert": of_length}, progress=False))
    assert [result.values[:, 0].tolist() for result in found] == [[3, 0, 1], [0, 1], [0, 1]]
    assert [result.lengths.tolist() for result in found] == [[1, 1, 1], [1, 1], [1, 1]]


def _session(*turns: tuple[str, float, float, str]) -> Recording:
    return Recording("r", "p", "", tuple(Segment(start, stop, speaker, text) for speaker, start, stop, text in turns))


def test_the_context_of_a_turn_is_the_participants_or_both_speakers():
    recording = _session(
        (INTERVIEWER, 0, 1, "how are you"), (PARTICIPANT, 1, 2, "fine"), (INTERVIEWER, 2, 3, "really"),
        (PARTICIPANT, 3, 4, "no"), (INTERVIEWER, 4, 5, "why"),
    )  # fmt: skip
    assert Sentences(context=1).texts(recording) == [("", "fine", "no"), ("fine", "no", "")]
    both = Sentences(context=1, context_of="both")
    assert both.texts(recording) == [("how are you", "fine", "really"), ("really", "no", "why")]
    wide = dataclasses.replace(both, context=2)
    assert wide.texts(recording)[0] == ("", "how are you", "fine", "really", "no")


def test_turns_that_are_joined_or_cut_are_no_neighbours_of_themselves():
    """Two seconds of pause are joined; the interviewer's "mhm" lies within the first turn."""
    recording = _session(
        (PARTICIPANT, 0, 4, "well"), (INTERVIEWER, 1, 2, "mhm"), (PARTICIPANT, 6, 8, "i see"), (INTERVIEWER, 9, 10, "go on")
    )  # fmt: skip
    for segmentation, expected in (
        (Segmentation(merge_gap_s=3), [("", "well i see", "mhm")]),
        (Segmentation(window_s=4), [("", "well", "mhm"), ("mhm", "i see", "go on")]),
        (Segmentation(window_s=2), [("", "well", "mhm"), ("", "well", "mhm"), ("mhm", "i see", "go on")]),
    ):
        found = Sentences(context=1, context_of="both", segmentation=segmentation).texts(recording)
        assert len(found) == len(segmentation.apply(recording))
        assert found[:1] + found[-1:] == [expected[0], expected[-1]]


def test_an_encoder_that_was_not_handed_in_is_named():
    with pytest.raises(ConfigError, match="'bert' was not handed in; there are hashing"):
        encoder_of(Sentences(encoder="bert", checkpoint="x"), [])


@pytest.mark.parametrize(
    ("config", "field"),
    [
        (Sentences(encoder="bert"), "checkpoint"),
        (Sentences(checkpoint="bert-base-uncased"), "checkpoint"),
        (Sentences(dim=0), "dim"),
        (Sentences(encoder="glove"), "encoder"),  # type: ignore[arg-type]
    ],
)
def test_impossible_settings_are_named(config, field):
    with pytest.raises(ConfigError, match=f"config.{field}"):
        config.freeze()
