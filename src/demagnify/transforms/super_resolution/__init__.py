"""Super-resolution networks, one module per kind of file that they come from."""
