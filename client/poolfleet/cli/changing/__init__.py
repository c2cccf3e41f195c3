"""A change on one host or many, from the question to the last line."""
