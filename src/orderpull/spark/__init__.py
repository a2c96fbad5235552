"""Spark: replay a landing on a cluster, with the shaping and the merge of one machine."""
