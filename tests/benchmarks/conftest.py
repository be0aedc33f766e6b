"""Adds the root of the checkout to the path, because benchmarks/ is not part of the package."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
