"""What the models share: recurrent layers, convolution, attention, Res-TDNN, pooling, dense layers, decisions, and
initialisers by name.
"""
