"""Command line: writes a synthetic stand-in corpus.

    python -m input_pipeline.synthesize --corpus=daic_woz --data_dir=DIR [--sessions=N] [--seed=0] [--effect=1.0]

Each corpus has its own options among the flags, those of the function that its reader names; another one is an error
that lists them.

Exit codes: 0 done, 1 failed, 2 usage.
"""

import sys
from collections.abc import Sequence

from absl import app, flags

from input_pipeline.errors import DataError
from input_pipeline.synthesis import options_of, synthesize, with_stand_in
from input_pipeline.usage import parse_flags

_MEANING = {  # of an option that several corpora have, and the least that it can be
    "sessions": ("interviews, dialogues or videos", 1),
    "seed": ("same seed, same bytes", 0),
    "effect": ("size of the planted effect; 0 plants none", 0),
    "emotion": ("above 0, answers have emotions", 0),
    "utterance_emotions": ("above 0, each answer is sad or not, and a file says which", 0),
    "duration_s": ("seconds a session", 1),
    "distribution": ("in which of its layouts", None),
    "turns": ("answers or utterances a session", 1),
    "workers": ("processes; default: one a core", 1),
    "overwrite": ("replace a stand-in that was written with other parameters", None),
}
_FLAGS = flags.FLAGS


def _options() -> dict[str, type]:
    """The options of all stand-ins together."""
    return {option: kind for name in with_stand_in() for option, kind in options_of(name).items()}


def _define_flags() -> None:
    flags.DEFINE_enum("corpus", None, with_stand_in(), "Whose layout to write.")
    flags.DEFINE_string("data_dir", None, "The folder that gets one folder a corpus.")
    for option, kind in _options().items():
        meaning, least = _MEANING.get(option, ("", None))
        owners = ", ".join(name for name in with_stand_in() if option in options_of(name))
        _define(option, kind, f"Of {owners}{meaning and ': '}{meaning}.", least)
    flags.mark_flags_as_required(["corpus", "data_dir"])


def _define(option: str, kind: type, meaning: str, least: int | None) -> None:
    if kind is bool:
        flags.DEFINE_boolean(option, None, meaning)
    elif kind is int:
        flags.DEFINE_integer(option, None, meaning, lower_bound=least)
    elif kind is float:
        flags.DEFINE_float(option, None, meaning, lower_bound=least)
    else:
        flags.DEFINE_string(option, None, meaning)


def _main(_: Sequence[str]) -> int:
    options = {name: value for name in _options() if (value := _FLAGS[name].value) is not None}
    try:
        root = synthesize(_FLAGS.corpus, _FLAGS.data_dir, **options)
    except (DataError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{root}: synthetic stand-in of {_FLAGS.corpus}, ready")
    return 0


if __name__ == "__main__":
    _define_flags()
    app.run(_main, flags_parser=parse_flags)
