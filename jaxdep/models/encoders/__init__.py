"""Published encoders as Flax NNX modules, filled from the files their authors released: `bert` and `checkpoint`."""
