"""Answer: the three questions and all other reads, written once for every reader."""
