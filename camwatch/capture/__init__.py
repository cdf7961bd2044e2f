"""Stage 1: a camera, a webcam or a recording becomes frames, and the ones worth analysing are chosen.

A source (`source.py`) is one connection: it yields frames until it ends or breaks and never retries. Decoding is
`decode.py`; which frames are kept is decided by `sampling.py` and `motion.py`, put together in `selection.py`.
"""
