"""camwatch: streaming face recognition for security cameras.

The package root imports nothing, so that a camera reader or a `--help` never pays for TensorFlow.
"""

__version__ = "0.1.0"
