"""Forget a person: erase name and address wherever orderpull has written them; the sale stays."""
