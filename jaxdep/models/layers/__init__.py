"""What the models share: recurrent layers, attention, Res-TDNN, pooling, dense layers, and initialisers by name."""
