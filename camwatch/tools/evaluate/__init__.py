"""`camwatch evaluate`: how well the people of a dataset are told apart."""
