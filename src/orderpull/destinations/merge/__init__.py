"""Merge: compare staged orders with stored orders, and change tables and rollups accordingly."""
