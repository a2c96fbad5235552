"""``python -m orderpull`` is the command ``orderpull``."""

from orderpull.cli import main

main()
