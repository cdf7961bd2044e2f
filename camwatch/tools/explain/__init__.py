"""`camwatch explain`: why an event said what it said."""
