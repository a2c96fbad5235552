"""Verify: compare shop, landing, tables and rollups, name each order that differs, and repair.

A *comparison* (:class:`orderpull.verify.scope.Comparison`) compares two of these for one source and
yields a :class:`orderpull.verify.result.Difference` for each order that differs. It is given a
:class:`orderpull.verify.scope.Scope`: the source, its landing, the warehouse at one instant, and
the time since when to compare. It counts the compared orders and the sent requests in
``scope.result``. ``verify.COMPARISONS`` lists all comparisons in the order of the data.

A repair is a method of the comparison that found the difference. Repairs run in the same order:
what is fetched from the shop is landed and loaded before the landing is compared with the tables.
"""
