"""Training side of selcon_ros: encoders, network, objective, data, trainer, evaluation and export (needs
torch, but not to import this: `selcon --help` lists its commands).
"""

import selcon_ros  # noqa: F401  (first: what it says to ONNX Runtime must stand before anything imports that)
