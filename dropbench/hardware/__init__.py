"""The machine on which a run is trained: libraries, memory, devices."""
