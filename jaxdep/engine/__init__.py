"""The seed engine: one seed's training as a pure function, and its mapping over seeds and devices.

splits.py       who trains, who validates, who is tested
resident.py     examples -> what a compiled program reads, and each seed's own view of it
objectives.py   losses
training.py     ONE seed; knows of no other
mappers.py      a function of one seed -> a compiled one over all
feeds.py        how the features reach the compiled programs
ensemble.py     MANY seeds: the only place where the seed axis exists
checkpoints.py  their state on disk
choices.py      which mapper was quickest
devices.py      what must be settled before JAX starts
"""
