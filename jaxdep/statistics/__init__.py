"""What is computed of decisions: metrics of one seed, their stability over the seeds, and the fusion of several models."""
