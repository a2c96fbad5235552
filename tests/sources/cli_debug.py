"""Runs ``orderpull`` with every library's log lines, however small, on stderr."""

import logging

from orderpull import logs
from orderpull.cli import main

set_up = logs.set_up


def loudly(kind: logs.Format, *, verbose: bool) -> None:
    set_up(kind, verbose=verbose)
    logging.basicConfig(level=logging.DEBUG)
    logging.getLogger("orderpull").setLevel(logging.DEBUG)


logs.set_up = loudly
main()
