"""The command line: words to function calls, errors to one line and an exit status."""
