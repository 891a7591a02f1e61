"""Measurements beside others: the authors' code, PyTorch, matrix products. Run from a clone; not installed.

`python -m benchmarks --help`.
"""

import selcon_ros  # noqa: F401  (first: what it says to ONNX Runtime must stand before anything imports that)
