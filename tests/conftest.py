"""What every test shares: how hypothesis searches, and one thread."""

from __future__ import annotations

from hypothesis import settings

from dropbench.hardware.blas import use_threads

# Machines are shared and first examples pay for imports: time is no property here.
settings.register_profile("dropbench", deadline=None, max_examples=60)
settings.load_profile("dropbench")

use_threads(1)
