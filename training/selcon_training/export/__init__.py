"""From a trained network to the bundle that a robot loads: ONNX graphs, int8, samples."""
