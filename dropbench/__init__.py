"""An answer by experiment: does dropout help on this model and data, which kind, at what rate, where, and how sure is that."""

from dropbench.hardware.blas import settle

settle()
