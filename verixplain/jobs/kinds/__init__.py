"""What an item can be; one kind a file."""
