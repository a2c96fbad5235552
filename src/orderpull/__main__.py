"""Run the command ``orderpull`` as ``python -m orderpull``."""

from orderpull.cli import main

main()
