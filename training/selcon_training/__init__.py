"""Training side of selcon_ros: encoders, network, objective, data, trainer, evaluation and export (needs
torch).
"""

import selcon_ros  # noqa: F401  (first: what it says to ONNX Runtime must stand before anything imports that)
from selcon_training import torchvision_operators

torchvision_operators.ensure()
