"""What runs a step of play: PyTorch, or ONNX Runtime without it."""
