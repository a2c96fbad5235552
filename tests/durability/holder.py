"""A program that holds a DuckDB warehouse open until a line is typed."""

HOLDER = """
import duckdb, time
while True:
    try:
        connection = duckdb.connect('orders.duckdb'{})
        break
    except duckdb.IOException:  # a loader has not let go of the warehouse yet
        time.sleep(0.01)
print('open', flush=True)
input()
"""
