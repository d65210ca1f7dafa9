"""One vector a word: hashed spelling, GloVe files as they are published and as they are not, encoders handed in."""

import numpy as np
import pytest

from input_pipeline.config import ConfigError
from input_pipeline.errors import DataError
from input_pipeline.extraction import extract
from input_pipeline.features import RecordingFeature, Words, words
from input_pipeline.recording import INTERVIEWER, PARTICIPANT, Recording, Segment

GLOVE = "the 0.1 0.2 0.3\ndo 1 0 0\nn't 0 1 0\nit 0 0 1\n's -1 0 0\nsad -.5 2e-1 3\nwe'll 7 7 7\nme 4 5 6\n"


def recording(*texts: str, name: str = "r0") -> Recording:
    return Recording(name, "p", "", tuple(Segment(i, i + 1, PARTICIPANT, text) for i, text in enumerate(texts)))


def words_in(*texts: str, feature: Words | None = None) -> RecordingFeature:
    (found,) = extract(feature or Words(), [recording(*texts)], progress=False)
    assert found.values.dtype == np.float32
    assert found.values.shape == (found.lengths.sum(), (feature or Words()).dim)
    return found


@pytest.fixture
def glove(tmp_path):
    """Writes a file of vectors and returns the feature that looks words up in it."""

    def make(content: str | bytes = GLOVE, dim: int = 3) -> Words:
        path = tmp_path / "glove.txt"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return Words(encoder="glove", checkpoint=str(path), dim=dim)

    return make


def refusal(feature: Words, *texts: str) -> str:
    with pytest.raises(DataError) as raised:
        words_in(*texts or ("sad",), feature=feature)
    line = str(raised.value)
    assert line.startswith(feature.checkpoint)
    assert "\n" not in line
    return line


# words


def test_sentences_are_segments_of_their_own_with_the_times_of_the_whole():
    feature = Words(dim=16, by_sentence=True)
    one = recording("No. I never, e.g.; slept!\nDid you?", "", "3.5 hours")
    found = words_in(*(segment.text for segment in one.segments), feature=feature)
    assert found.lengths.tolist() == [1, 5, 2, 1, 3]
    assert [segment.text for segment in feature.segments(one)] == [
        "No.",
        "I never, e.g.; slept!",
        "Did you?",
        "",
        "3.5 hours",
    ]
    assert [segment.start_s for segment in feature.segments(one)] == [0, 0, 0, 1, 2]
    np.testing.assert_array_equal(
        found.values, words_in("No", "I never e.g. slept", "did you", "", "3.5 hours", feature=Words(dim=16)).values
    )


def test_words_are_lower_case_and_keep_their_apostrophes():
    assert words.words_of("I don’t, 'cause MY dogs' bed... is it's?") == [
        "i",
        "don't",
        "cause",
        "my",
        "dogs",
        "bed",
        "is",
        "it's",
    ]


def test_a_vector_a_word_in_the_order_of_segments_and_words():
    both = [recording("sad so", "", "sad", name="r0"), recording("...", "so sad", name="r1")]
    first, second = extract(Words(), both, progress=False)
    assert first.lengths.tolist() == [2, 1, 1]
    assert second.lengths.tolist() == [1, 2]
    sad, so, silence = first.values[:3]
    assert not silence.any()
    np.testing.assert_array_equal(first.values, [sad, so, silence, sad])
    np.testing.assert_array_equal(second.values, [silence, so, sad])


def test_words_of_others_are_left_out():
    asked = Segment(5, 6, INTERVIEWER, "so are you sad")
    session = Recording("r0", "p", "", (*recording("so sad").segments, asked))
    (found,) = extract(Words(), [session], progress=False)
    assert found.lengths.tolist() == [2]


def test_a_recording_without_a_word_is_a_zero_vector_a_segment(glove):
    for feature in (Words(), glove()):
        found = words_in("", " ", "?!", feature=feature)
        assert found.lengths.tolist() == [1, 1, 1]
        assert not found.values.any()


def test_an_encoder_that_is_handed_in_meets_no_empty_text():
    met: list[str] = []

    def bert(feature):
        def states(texts):
            met.extend(texts)
            return [np.full((len(text) - 1, feature.dim), len(text)) for text in texts]

        return states

    feature = Words(encoder="bert", checkpoint="x", dim=2)
    (found,) = extract(feature, [recording("abc", "", "a", "ab")], encoders={"bert": bert}, progress=False)
    assert met == ["abc", "a", "ab"]
    assert found.lengths.tolist() == [2, 1, 1, 1]
    assert found.values[:, 0].tolist() == [3, 3, 0, 0, 2]


def test_states_of_another_length_are_named():
    encoders = {"bert": lambda feature: lambda texts: [np.ones((3, 5)) for _ in texts]}
    feature = Words(encoder="bert", checkpoint="x", dim=4)
    with pytest.raises(ConfigError, match=r"dim: 4, but the encoder made an array of \(3, 5\)"):
        list(extract(feature, [recording("so very sad")], encoders=encoders, progress=False))


def test_an_encoder_that_was_not_handed_in_is_named():
    with pytest.raises(ConfigError, match="'bert' was not handed in; there are glove, hashing"):
        words_in("sad", feature=Words(encoder="bert", checkpoint="x"))


@pytest.mark.parametrize(
    ("config", "field"),
    [
        (Words(encoder="bert"), "checkpoint"),
        (Words(encoder="glove"), "checkpoint"),
        (Words(checkpoint="glove.txt"), "checkpoint"),
        (Words(dim=0), "dim"),
        (Words(encoder="elmo", checkpoint="x"), "encoder"),  # type: ignore[arg-type]
    ],
)
def test_impossible_settings_are_named(config, field):
    with pytest.raises(ConfigError, match=f"config.{field}"):
        config.freeze()


# hashing


def test_a_word_has_one_vector_of_length_one_wherever_it_stands():
    values = words_in("I walk", "Walk! i").values
    np.testing.assert_array_equal(values[[0, 1]], values[[3, 2]])
    np.testing.assert_allclose(np.linalg.norm(values, axis=1), 1, atol=1e-6)
    assert values[0] @ values[1] < 0.5


def test_inflections_are_nearer_than_other_words():
    walk, walking, walked, sleep, sleeping, tired = words_in("walk walking walked sleep sleeping tired").values
    for stem, inflection in [(walk, walking), (walk, walked), (walking, walked), (sleep, sleeping)]:
        assert stem @ inflection > 0.3
        assert stem @ inflection > max(abs(stem @ tired), abs(inflection @ tired)) + 0.2
    assert sleep @ sleeping > sleep @ walking


def test_a_word_within_another_is_not_that_word():
    her, where = words_in("her where").values
    assert 0 < her @ where < 0.6


# GloVe


def test_words_are_looked_up_and_unknown_ones_are_zero(glove):
    found = words_in("Sad? the zebra", feature=glove())
    np.testing.assert_array_equal(found.values, np.array([[-0.5, 0.2, 3], [0.1, 0.2, 0.3], [0, 0, 0]], np.float32))


def test_a_contraction_is_itself_or_else_its_two_parts(glove):
    found = words_in("we'll", "don't", "it’s", "zebra's", feature=glove())
    assert found.lengths.tolist() == [1, 2, 2, 2]
    assert found.values.tolist() == [[7, 7, 7], [1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, 0, 0], [0, 0, 0], [-1, 0, 0]]


def test_words_with_spaces_and_with_ends_of_lines_in_them_are_read_over(glove):
    hostile = (
        ". . . 9 9 9\nat name@domain.com 9 9 9\n\u2028 9 9 9\na\rb 9 9 9\n\x85 9 9 9\n\xa0 9 9 9\n7 9 9 9\n".encode()
    )
    found = words_in("me at name", feature=glove(hostile + b"\xff\xfe 9 9 9\n" + GLOVE.encode()))
    assert found.values.tolist() == [[4, 5, 6], [0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize("header", ["", "8 3\n"])
@pytest.mark.parametrize("end", ["\n", "\r\n", " \n"])  # a space is what word2vec writes
def test_a_header_and_other_ends_of_lines_change_nothing(glove, header, end):
    found = words_in("the me", feature=glove((header + GLOVE).replace("\n", end)))
    np.testing.assert_array_equal(found.values, np.array([[0.1, 0.2, 0.3], [4, 5, 6]], np.float32))


def test_a_last_line_without_its_end_is_read(glove):
    assert words_in("me", feature=glove(GLOVE.rstrip())).values.tolist() == [[4, 5, 6]]


def test_the_first_vector_of_a_word_counts(glove):
    assert words_in("me", feature=glove(GLOVE + "me 0 0 0\n")).values.tolist() == [[4, 5, 6]]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (GLOVE + "sad 1 2\n", "line 9: expected a word and 3 numbers, found 2 behind 'sad'; dim may be wrong"),
        (GLOVE + "zebra 1 2\n", "line 9: expected a word and 3 numbers, found 2 behind 'zebra'"),
        (GLOVE + "zebra 1 2 3 4\n", "line 9: expected a word and 3 numbers, found 4 behind 'zebra'"),
        ("sad 1 x 3\n", "line 1: expected a word and 3 numbers, found 1 behind 'x'"),
        ("sad 1 nan 3\n", "found 1 behind 'nan'"),
        ("sad 1 2 inf\n", "found 0 behind 'inf'"),
        ("sad 1 2 1e39\n", "found 0 behind '1e39'"),
        ("sad\t1\t2\t3\n", "found 0 behind 'sad"),
        (GLOVE + "\nme 1 2 3\n", "line 9: expected a word and 3 numbers, found 0 behind ''"),
        ("8 300\n" + GLOVE.replace(" 0", ""), "line 2: "),
        (b"\x1f\x8b\x08\x00 \xff\xff\n", "line 1: expected a word and 3 numbers, found 0"),
        ("x" * 10_000, "found 0 behind '" + "x" * 40 + "'"),
    ],
)
def test_a_broken_line_is_named_with_what_stands_there(glove, content, found):
    assert found in refusal(glove(content))


@pytest.mark.parametrize("dim", [2, 4])
def test_another_dim_than_the_files_is_told_at_its_first_line(glove, dim):
    assert f"line 1: expected a word and {dim} numbers, found 3 behind 'the'; dim may be wrong" in refusal(
        glove(dim=dim)
    )


def test_a_file_of_another_language_is_refused(glove):
    assert "holds none of the 2 words of the corpus" in refusal(glove(), "sehr traurig")
    assert "holds none of the 1 words" in refusal(glove(b""), "sad")


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    missing = Words(encoder="glove", checkpoint=str(tmp_path / "none.txt"), dim=3)
    assert "cannot be read (No such file or directory)" in refusal(missing)
    assert "cannot be read (Is a directory)" in refusal(Words(encoder="glove", checkpoint=str(tmp_path), dim=3))


def test_the_file_is_read_once_for_all_batches(glove, monkeypatch):
    reads, read = [], words._read_vectors
    monkeypatch.setattr(words, "_read_vectors", lambda *arguments: reads.append(arguments) or read(*arguments))
    many = [recording(*["sad me"] * 700, name=f"r{index}") for index in range(4)]
    assert len(list(extract(glove(), many, progress=False))) == 4
    assert len(reads) == 1


def test_a_file_of_the_data_folder_is_found_there_unless_the_working_folder_has_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    feature = Words(encoder="glove", checkpoint="glove/v.txt", dim=3)
    assert feature.located(tmp_path / "data") is feature
    with pytest.raises(ConfigError, match=r"checkpoint: glove/v\.txt: no such file of word vectors, neither here nor"):
        feature.check_recordings([Recording("r", "p", "", (Segment(0, 1, text="sad"),))])
    (tmp_path / "data/glove").mkdir(parents=True)
    (tmp_path / "data/glove/v.txt").write_text("sad 1 2 3\n")
    found = feature.located(tmp_path / "data")
    assert found.checkpoint == str(tmp_path / "data/glove/v.txt")
    found.check_recordings([Recording("r", "p", "", (Segment(0, 1, text="sad"),))])
    (tmp_path / "glove").mkdir()
    (tmp_path / "glove/v.txt").write_text("sad 3 2 1\n")
    assert feature.located(tmp_path / "data") is feature
