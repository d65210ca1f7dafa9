"""Depression detectors from speech, text and faces, trained over many seeds at once.

main.py        the command line: flags -> config -> experiment
config.py      the experiment's typed, frozen dataclasses
experiment.py  runs the stages of an experiment in order inside a workdir
stages/        what an experiment is made of: train, baseline
training.py    ONE seed as a pure function
ensemble.py    MANY seeds: the only place where the seed axis exists
models/        one file a paper, on shared layers and encoders
report/        table, figures, the page
"""

__version__ = "0.1.0"
