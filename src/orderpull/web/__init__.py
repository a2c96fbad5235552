"""Show the answers as web pages, and to programs: `orderpull serve`. Read-only."""
