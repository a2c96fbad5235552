"""DuckDB as its compiled module alone: importing its Python package takes 0.1 s of CPU more."""

import _duckdb as duckdb

__all__ = ["duckdb"]
