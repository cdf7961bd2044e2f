"""Frames in, observations out: finding faces, cutting them out, embedding them. A library, usable without the daemon.

The entry point is `camwatch.engine.analyzer.FaceAnalyzer`. TensorFlow is loaded when a network is built, not when a
module of this package is imported.
"""
