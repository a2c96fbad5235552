"""Runs ``orderpull`` so that what is pulled is loaded within a second, while others are pulled."""

from orderpull import pipeline
from orderpull.cli import main

pipeline.LOAD_WITHIN_SECONDS = 1.0
main()
