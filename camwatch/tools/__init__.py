"""The commands: each module is one of them, as a function that a program may call too.

They run the daemon's own path in one process. Results go to stdout, everything else to stderr; the functions return
the exit status and raise errors from `camwatch.errors`. This package imports nothing, a command brings its own needs.
"""
