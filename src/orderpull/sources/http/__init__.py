"""HTTP to a source: transport, authentication, tokens, rate limits, downloads."""
