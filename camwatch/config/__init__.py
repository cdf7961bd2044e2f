"""The configuration file: read, checked with every problem at once, and handed out as frozen models.

Only `cli`, `service.app` and the tools import this; the stages take keyword arguments.
"""

from camwatch.config.model import Camera, Config, load, verify

__all__ = ["Camera", "Config", "load", "verify"]
