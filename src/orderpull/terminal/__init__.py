"""Show in the terminal: tables, progress and the report, with rich."""
