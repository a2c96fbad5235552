"""Sources: read orders from the APIs that ``.toml`` files describe, one page at a time."""
