"""HTTP: transport, authentication, tokens, rate limits, retries and downloads."""
