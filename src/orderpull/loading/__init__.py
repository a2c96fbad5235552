"""Load landed pages in bounded batches, one transaction each."""
