"""`python -m gateway`: the same as the `tollkeeper` command."""

from gateway.cli import main

main()
