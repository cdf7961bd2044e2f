"""Measurements that need more than the installed package: servers, plots, an hour of time."""
