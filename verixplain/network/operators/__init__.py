"""One file per ONNX operator: how torch computes it, and which primitives bounds see it as."""
