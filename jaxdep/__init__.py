"""Depression detectors from speech, text and faces, trained over many seeds at once.

main.py        the command line: flags -> config -> experiment
config/        typed dataclasses, frozen before anything runs: the experiment, its settings, its kinds of stages
experiment/    runs the stages of an experiment in order inside a workdir; knows no kind of stage
stages/        what runs each kind of stage
engine/        ONE seed as a pure function (training.py), MANY seeds at once (ensemble.py)
models/        one file a paper, on shared layers and encoders
statistics/    metrics, fusion, stability
report/        table, figures, exhibits, the page
"""

__version__ = "0.1.0"
