"""An experiment in its workdir.

command_line.py  flags -> config; imports nothing that takes seconds, since worker processes import it again
session.py       devices, sources and exit codes around a run
run.py           the stages in order, and the report; knows no kind of stage
claim.py         whose a workdir is
versions.py      what a run depends on besides its config
sweep.py         the folder of a sweep of seeds, and its chunks
chunk.py         trains chunks of its seeds
join.py          makes one run of them
progress.py      how far they are
"""
