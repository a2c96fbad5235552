"""Digest: the sales of a day or a week, as text, HTML and JSON, sent once for each period."""
