"""Shape: landed pages into staged orders and rejects, by SQL generated from the API's mapping.

Knows no destination and no network.
"""
