"""Tests of camwatch.publishing."""
