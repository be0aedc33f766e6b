"""Finds and takes over the layers of a module that was written without dropbench, for `models.module`."""
