"""API files: their blocks, order mapping, expressions and validation."""
