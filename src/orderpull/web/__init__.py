"""Show: the answers as web pages, `orderpull serve`; reads only, on this machine only."""
