"""From corpora as they lie on disk to padded arrays of features.

    corpora/      one reader a corpus: files -> `Recording`s, with every known defect as a named rule
    synthesis/    writers of small stand-in corpora in the same layouts
    features/     recordings -> spectral and text features
    extraction.py features of a whole corpus, in worker processes
    builder.py    the TFDS builder: features -> shards, written once
    batching.py   shards -> padded `Examples`, through tf.data

The package never imports `jaxdep`: encoders that need a model are handed in by the caller.
"""
