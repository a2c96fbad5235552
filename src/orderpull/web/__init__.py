"""Show: the answers as web pages and for programs, `orderpull serve`; reads only."""
