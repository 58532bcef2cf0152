"""TensorRT and TensorRT for RTX: build a plan, prove it on the device, keep it, run it.

What is known of NVIDIA's Python interfaces is in ``api``, ``listeners`` and ``inspect``; what is
known of CUDA is in ``cuda``. A plan is built from the bundle's ONNX, whose precision is inside it
(strongly typed), and serves only after it gave what ONNX Runtime gives on the same device.
"""
