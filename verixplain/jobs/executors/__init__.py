"""Where items run; one executor a file."""
