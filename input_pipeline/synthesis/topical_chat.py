"""Writes a small stand-in for Topical-Chat in the very layout of the original, every word of it made up.

Both agents of a conversation share its mood, which holds on from turn to turn. Of the eight sentiments, four are the
emotions of `emotion`; the others have a place between them, and words of their neighbours. Differences from the
original, beside the sizes: there are the frequent splits alone, and neither articles nor facts that the agents had read.
"""

import json
import uuid
from pathlib import Path
from typing import Any

import numpy as np

from input_pipeline.synthesis import emotion, wording
from input_pipeline.synthesis.emotion import MEANS, Affect
from input_pipeline.synthesis.publication import publish
from input_pipeline.synthesis.writing import check, marker_of

VERSION = 1  # of the generator: another one writes other bytes
SPLITS = {"train": 0.7, "valid_freq": 0.15, "test_freq": 0.15}
FEWEST, MOST = 10, 20_000
PERSISTENCE = 0.5
SENTIMENTS = {
    "Angry": MEANS["angry"],
    "Disgusted": Affect(2.0, 3.3, 3.5),
    "Fearful": Affect(2.1, 2.9, 2.2),
    "Sad": MEANS["sad"],
    "Neutral": MEANS["neutral"],
    "Happy": MEANS["happy"],
    "Surprised": Affect(3.7, 3.8, 3.0),
    "Curious to dive deeper": Affect(3.5, 3.2, 3.1),
}
SHARES = dict(zip(SENTIMENTS, (0.12, 0.04, 0.06, 0.14, 0.26, 0.22, 0.06, 0.1), strict=True))
_RATINGS = ("Poor", "Not Good", "Passable", "Good", "Excellent")


def synthesize_topical_chat(
    data_dir: Path | str,
    *,
    sessions: int = 120,
    seed: int = 0,
    effect: float = 1.0,
    turns: int = 12,
    workers: int | None = None,
    overwrite: bool = False,
) -> Path:
    """Writes `data_dir/topical_chat` and returns that folder; one with the same parameters is left as it is.

    Args:
        sessions: conversations.
        seed: the same seed gives the same bytes.
        effect: how far sentiments move the words; 0: not at all.
        turns: messages a conversation.
        workers: as the other stand-ins have it; words alone take one process a moment.

    Raises:
        DataError: an option out of its range, or a folder that must not be replaced (see `publish`).
    """
    check(sessions, FEWEST, MOST, seed, why="three splits", turns=turns, effect=effect)
    parameters: dict[str, Any] = {"sessions": sessions, "seed": seed, "effect": float(effect), "turns": turns}
    root = Path(data_dir) / "topical_chat"

    def write(folder: Path) -> None:
        rng = np.random.default_rng([seed, 0])
        ends = np.rint(np.cumsum(list(SPLITS.values())) * sessions).astype(int)
        for split, size in zip(SPLITS, np.diff(ends, prepend=0), strict=True):
            conversations = {
                f"t_{uuid.UUID(bytes=rng.bytes(16))}": _conversation(turns, effect, rng) for _ in range(size)
            }
            (folder / f"{split}.json").write_bytes(json.dumps(conversations, indent=1).encode())

    planted = {
        "sentiments_on_1_to_5": {name: mean._asdict() for name, mean in SENTIMENTS.items()},
        "shares_of_sentiments": SHARES,
        "persistence": PERSISTENCE,
        **emotion.planted(effect),
    }
    publish(root, marker_of("topical_chat", VERSION, parameters, **planted), write, overwrite)
    return root


def _conversation(turns: int, effect: float, rng: np.random.Generator) -> dict[str, Any]:
    content = []
    for index, sentiment in enumerate(emotion.chain(turns, SHARES, PERSISTENCE, rng)):
        clauses = emotion.draw_words(emotion.draw_affect(SENTIMENTS[sentiment], rng), effect, rng)
        content.append(
            {
                "message": wording.written(clauses),
                "agent": f"agent_{index % 2 + 1}",
                "sentiment": sentiment,
                "knowledge_source": ["Personal Knowledge"],
                "turn_rating": str(rng.choice(_RATINGS)),
            }
        )
    ratings = {f"agent_{number}": str(rng.choice(_RATINGS)) for number in (1, 2)}
    return {
        "article_url": "",
        "config": str(rng.choice(list("ABCD"))),
        "content": content,
        "conversation_rating": ratings,
    }
