"""The seed engine: one seed's training as a pure function, and its mapping over seeds and devices.

splits.py       who trains, who validates, who is tested
resident.py     examples -> what a compiled program reads, and each seed's own view of it
epochs.py       the batches of a seed's epoch, and their order
objectives.py   the objective of a batch
program.py      what is asked of ONE seed: its state and its pure functions
schedule.py     optimiser, plateaus, early stopping
evaluation.py   decisions and metrics of a part
training.py     ONE seed: makes the program; knows of no other seed
mappers.py      a function of one seed -> a compiled one over all
feeds.py        how the features reach the compiled programs
ensemble.py     MANY seeds: the only place where the seed axis exists
checkpoints.py  their state on disk
choices.py      which mapper was quickest
devices.py      what must be settled before JAX starts
"""
