"""Ask: an API as its ``.toml`` describes it, politely, one page at a time."""
