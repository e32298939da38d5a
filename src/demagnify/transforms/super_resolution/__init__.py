"""Super-resolution networks, one module for each file format."""
