"""Paging (pagination): choose the next page request from the response before it."""
