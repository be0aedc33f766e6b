"""Peers: other ways to train, each written as its own documentation teaches. They share no code with dropbench."""
