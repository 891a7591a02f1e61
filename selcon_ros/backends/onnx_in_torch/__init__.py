"""ONNX graphs run by torch: operators, programs, CUDA graphs. These modules import torch and onnx."""
