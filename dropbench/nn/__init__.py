"""Layers with a leading replica axis: K sets of weights that are trained together.

Letters of shapes here and in `models/`: K replicas, B examples, I and O input and output features, C channels, H and W
height and width, T time steps. A single run is a stack of one; there is no other code path.
"""
