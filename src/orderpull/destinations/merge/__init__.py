"""Merge: staged orders compared with stored orders, and what a batch changes."""
