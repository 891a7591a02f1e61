"""Measurements beside others: the authors' code, PyTorch, matrix products. Run from a clone; not installed.

`python -m benchmarks --help`.
"""

import selcon_ros  # noqa: F401  (first: what it says to ONNX Runtime must stand before anything imports that)

# Chapters of docs/benchmarks.md that are written from a clone: title, and where it comes from.
ENGINES = "Engines", "Written by `python -m benchmarks engines --authors CLONE`."
TRAINING = "Speed of training", "Written by `python -m benchmarks training --authors CLONE`."
PAPER_SIZE = "Paper-size network", "Written by `python -m benchmarks paper-size`."
FRAME = "A frame, before and now", "Written by `python -m benchmarks frame --baseline PYTHON --name VERSION`."
