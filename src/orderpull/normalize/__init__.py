"""Normalize landed pages into staged orders and rejects, by SQL generated from an API's mapping.

The room depends on no destination and no network.
"""
