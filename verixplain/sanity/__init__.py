"""Whether maps depend on what they claim to explain. One check a file."""
