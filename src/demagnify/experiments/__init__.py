"""The research loop as functions: what the command line runs, for Python users too."""
