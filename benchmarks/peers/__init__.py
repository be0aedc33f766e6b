"""Peers: what people train with today, each written as its own documentation teaches. They share no code with dropbench."""
