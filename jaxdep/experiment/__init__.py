"""An experiment in its workdir.

command_line.py  flags -> config; imports nothing that takes seconds, since worker processes import it again
run.py           the stages in order, and the report; knows no kind of stage
claim.py         whose a workdir is
versions.py      what a run depends on besides its config
"""
