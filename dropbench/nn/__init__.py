"""Layers with a leading replica axis: K sets of weights that train side by side.

Shape letters in here and in `models/`: K replicas, B examples, I and O features in and out, C channels, H and W height
and width, T time steps. A single run is a stack of one; there is no other path.
"""
