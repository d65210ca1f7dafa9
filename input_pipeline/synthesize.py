"""Command line: writes a synthetic stand-in corpus.

    python -m input_pipeline.synthesize --corpus=daic_woz --data_dir=DIR [--sessions=N] [--seed=0] [--effect=1.0]

Each corpus has its own options among the flags; another one is an error that lists them.

Exit codes: 0 done, 1 failed, 2 usage.
"""

import sys
from collections.abc import Sequence

from absl import app, flags

from input_pipeline.errors import DataError
from input_pipeline.synthesis import SYNTHESIZERS, synthesize
from input_pipeline.usage import parse_flags

_OPTIONS = ("sessions", "seed", "effect", "emotion", "turns", "workers", "overwrite")
_FLAGS = flags.FLAGS


def _define_flags() -> None:
    flags.DEFINE_enum("corpus", None, sorted(SYNTHESIZERS), "Whose layout to write.")
    flags.DEFINE_string("data_dir", None, "The folder that gets one folder a corpus.")
    flags.DEFINE_integer("sessions", None, "Interviews, dialogues or videos; default: the corpus's own.", lower_bound=1)
    flags.DEFINE_integer("seed", None, "Same seed, same bytes; default 0.", lower_bound=0)
    flags.DEFINE_float("effect", None, "Size of the planted effect; 0 plants none; default 1.", lower_bound=0.0)
    flags.DEFINE_float("emotion", None, "Interviews: above 0, answers have emotions; default 0.", lower_bound=0.0)
    flags.DEFINE_integer("turns", None, "Answers or utterances a session; default: the corpus's own.", lower_bound=1)
    flags.DEFINE_integer("workers", None, "Processes; default: one a core.", lower_bound=1)
    flags.DEFINE_boolean("overwrite", False, "Replace a stand-in that was written with other parameters.")
    flags.mark_flags_as_required(["corpus", "data_dir"])


def _main(_: Sequence[str]) -> int:
    options = {name: value for name in _OPTIONS if (value := _FLAGS[name].value) is not None}
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
