"""Tests of camwatch.tools."""
