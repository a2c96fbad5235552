"""Requests for a first page, shared by tests."""

from orderpull.simulator.shop import CLIENT_ID, CLIENT_SECRET

SHOPIFY_SHORT = "{ orders(first: 5, sortKey: ID) { nodes { id } } }"
WOO_PATH = "/wp-json/wc/v3/orders"
WOO_IN_QUERY = {"consumer_key": CLIENT_ID, "consumer_secret": CLIENT_SECRET}
