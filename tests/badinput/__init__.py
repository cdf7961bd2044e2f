"""Bad input, made by machines: everything that camwatch reads gets refused in one line, or read right."""
