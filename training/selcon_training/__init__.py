"""Training side of selcon_ros: encoders, network, objective, data, trainer, evaluation and export (needs
torch, but not to import this: `selcon --help` lists its commands).
"""

import os

import selcon_ros  # noqa: F401  (first: what it says to ONNX Runtime must stand before anything imports that)

# Read when torch is imported. By default its threads wait busily for each other for some milliseconds, which
# takes the cores from what they wait for where other programs run.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
