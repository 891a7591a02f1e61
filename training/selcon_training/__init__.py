"""Training side of selcon_ros: encoders, network, objective, data, trainer, evaluation and export (needs
torch).
"""

from selcon_training import torchvision_operators

torchvision_operators.ensure()
