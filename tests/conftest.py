"""What every test shares: how hypothesis searches, and one thread."""

from __future__ import annotations

import torch
from hypothesis import settings

# Machines are shared and first examples pay for imports: time is no property here.
settings.register_profile("dropbench", deadline=None, max_examples=60)
settings.load_profile("dropbench")

torch.set_num_threads(1)
