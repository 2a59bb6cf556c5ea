"""Kinds of claim; one kind a file."""
