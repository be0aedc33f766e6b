"""The engine: trains one cohort as a stacked model. No files, no console."""

import os

# MKL otherwise chooses a kernel by where in memory a matrix begins, so that the same product inside a stack and alone may
# differ in its last bit. This setting, read at MKL's first call, makes results depend on shapes alone; it costs nothing
# measurable (docs/design.md), and where torch is built without MKL it is ignored.
os.environ.setdefault("MKL_CBWR", "AUTO")
