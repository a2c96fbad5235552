"""Answer the questions: the queries, the choice of tables to read, and the report.

A column of the best-seller answer is written in :func:`from_orders._ranked` and
:func:`from_rollups._ranked`; ``report.py``, ``web/api_answers.py`` (JSON
and CSV) and ``web/templates/parts.html`` show it.
"""
