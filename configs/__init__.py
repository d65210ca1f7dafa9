"""Experiments, one file a published table or figure; a file may take from another what they share."""
