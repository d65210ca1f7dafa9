"""Lists the utterances of interviews, as a table to be filled with their emotions.

    python -m input_pipeline.list_utterances --corpus=daic_woz_utterances --data_dir=DIR > emotions.csv

One row an utterance: session, turn, start and stop in seconds, an empty emotion, and the words. Filled with sad and not_sad
it is the file `utterance_emotions.csv` of the corpus's folder; one that is there already is not looked at.

Exit codes: 0 done, 1 failed, 2 usage.
"""

import csv
import sys

from absl import app, flags

from input_pipeline.corpora import CORPORA, open_corpus
from input_pipeline.corpora.utterance_emotions import COLUMNS
from input_pipeline.corpora.utterances import Utterances
from input_pipeline.errors import DataError
from input_pipeline.usage import parse_flags

_NAMES = [name for name, reader in CORPORA.items() if issubclass(reader, Utterances)]


def _main(_: list[str]) -> int:
    session, turn, emotion = COLUMNS
    writer = csv.writer(sys.stdout, lineterminator="\n")
    try:
        corpus = open_corpus(flags.FLAGS.corpus, flags.FLAGS.data_dir)
        assert isinstance(corpus, Utterances)  # `_NAMES`
        interviews = corpus.interviews.recordings()
    except DataError as error:
        print(error, file=sys.stderr)
        return 1
    writer.writerow((session, turn, "start", "stop", emotion, "words"))
    for interview in interviews:
        for number, segment in corpus.turns(interview).items():
            if segment.text:
                times_s = f"{segment.start_s:.3f}", f"{segment.stop_s:.3f}"
                writer.writerow((interview.id, number, *times_s, "", segment.text))
    return 0


if __name__ == "__main__":
    flags.DEFINE_enum("corpus", None, _NAMES, "Whose utterances.", required=True)
    flags.DEFINE_string("data_dir", None, "Folder that holds one folder a corpus.", required=True)
    app.run(_main, flags_parser=parse_flags)
