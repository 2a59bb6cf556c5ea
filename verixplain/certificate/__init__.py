"""Certificates: their format, their bytes, and how they are issued."""
