"""Topical-Chat as published: its counts, and that a conversation's turns alternate between two people."""

import itertools
import os
from pathlib import Path

import pytest

from input_pipeline.corpora import open_corpus

pytestmark = pytest.mark.realdata


@pytest.fixture(scope="module")
def recordings():
    folder = os.environ.get("JAXDEP_DATA")
    if not folder or not (Path(folder) / "topical_chat").is_dir():
        pytest.skip("JAXDEP_DATA names no folder with topical_chat")
    return open_corpus("topical_chat", folder).recordings()


@pytest.mark.parametrize(("split", "conversations", "turns"), [("valid_freq", 539, 11681), ("test_freq", 539, 11760)])
def test_the_counts_of_the_published_files(recordings, split, conversations, turns):
    own = [item for item in recordings if item.split == split]
    if not own:
        pytest.skip(f"{split}.json is not there")
    assert (len({item.participant for item in own}), len(own)) == (conversations, turns)


def test_every_class_is_met_and_every_turn_has_words(recordings):
    assert len({item.labels["emotion"] for item in recordings}) == 8
    assert all(item.segments[0].text == item.dialogue[item.turn] != "" for item in recordings)


def test_two_people_take_turns(recordings):
    pairs = [
        (first, second) for first, second in itertools.pairwise(recordings) if first.participant == second.participant
    ]
    assert all(second.turn == first.turn + 1 for first, second in pairs)
    assert all(first.metadata["agent"] != second.metadata["agent"] for first, second in pairs)
