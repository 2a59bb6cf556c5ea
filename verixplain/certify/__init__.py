"""Claims: what follows from sound enclosures. One kind of claim a file."""
