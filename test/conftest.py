"""Loaded before any test: `selcon_ros` turns ONNX Runtime's telemetry off, also where a test imports it."""

import selcon_ros  # noqa: F401
