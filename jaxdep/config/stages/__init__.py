"""The kinds of stages, one module each; `jaxdep.config` lists them.

A kind is a subclass of `StageConfig`. It names what runs it and says what it needs of others, what of it changes its
results, and what it shows; the experiment asks it and knows no kind.
"""
