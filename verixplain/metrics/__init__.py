"""How good a map is, in numbers. One metric a file."""
