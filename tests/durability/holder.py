"""A program that holds a DuckDB warehouse open until a line is typed."""

HOLDER = "import duckdb; c = duckdb.connect('orders.duckdb'{}); print('open', flush=True); input()"
