"""The soak: hours of ordinary trouble, and whether anything grows: `make soak MINUTES=60`."""
