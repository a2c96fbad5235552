"""PostgreSQL 14 or newer, through psycopg."""
