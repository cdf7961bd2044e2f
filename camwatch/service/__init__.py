"""The daemon: the data path cut into processes, each with one owner that restarts or stops it."""
