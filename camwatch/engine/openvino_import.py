"""OpenVINO, imported without the part that counts its users.

`import openvino` loads `openvino_telemetry` where that is installed, which makes an identifier for the user under
`~/intel`, and fails for a user without a home. OpenVINO has a stand-in for where it is not installed; it is given that.
"""

import sys

_TELEMETRY = "openvino_telemetry"

_before = sys.modules.get(_TELEMETRY)
sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # importing it raises ImportError
try:
    import openvino as ov
    from openvino import opset1, opset13
finally:
    del sys.modules[_TELEMETRY]
    if _before is not None:
        sys.modules[_TELEMETRY] = _before

__all__ = ["opset1", "opset13", "ov"]
