"""The machine that a run is on: libraries, memory, devices."""
