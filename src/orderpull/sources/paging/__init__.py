"""Paging: which page to request next, and what a response says about it."""
