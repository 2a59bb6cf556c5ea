"""What can be claimed of an explanation; one claim a file."""
