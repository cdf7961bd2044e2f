"""The configuration file: read, checked with every problem at once, and handed out as frozen models (`model`).

Only `cli`, `service.app` and the tools import this; the stages take keyword arguments.
"""
