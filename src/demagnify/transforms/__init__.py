"""Image to image: attacks, corrections and degradations under one contract."""
