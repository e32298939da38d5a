"""`python -m demagnify` is the `demagnify` command."""

from demagnify.cli import main

main()
