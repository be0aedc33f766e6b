"""dropbench: does dropout help on my model and data, which kind, at what rate, where in the network, and how sure am I?"""

from dropbench.hardware.blas import settle

settle()
