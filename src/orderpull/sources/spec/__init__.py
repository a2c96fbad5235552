"""An API as its ``.toml`` describes it: blocks, order mapping, expressions, validation."""
