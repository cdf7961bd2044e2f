"""Who, over time: observations of faces become tracks, tracks become visits, visits become events.

`gallery`, `faces` and `recognizer` know the enrolled people; `tracker`, `evidence`, `decision` and `visits` follow the
faces of one camera and decide; `classifier` is the trained model behind `camwatch train` and `camwatch classify`.
Pure numpy: nothing here reads a clock or imports a network.
"""
