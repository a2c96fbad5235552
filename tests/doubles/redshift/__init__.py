"""A strict Amazon Redshift for tests: its protocol and its refusals, in front of PostgreSQL.

::

    with redshift_double(postgres_server(), s3_server(), {ROLE: "bucket/stage/"}) as double:
        database = double.fresh_database()
        redshift_connector.connect(host=double.host, port=double.port, database=database,
                                   user=double.user, password=double.password, ssl=False)

The modules, in the order of a statement's way: ``server`` (login, TLS), ``session`` (one client),
``translate`` (what a statement is) with ``tokens``, ``refuse``, ``functions``, ``tables`` and
``copy_statement``, ``backend`` (PostgreSQL), ``copy_load`` and ``parquet`` (COPY), ``answers``
(errors in Redshift's words). ``catalog`` makes the databases, ``logins`` issues temporary
passwords, ``grammar`` asks sqlfluff.

No real Redshift was at hand when this was written. What it refuses and does comes from public
documentation, and a test that passes here says something about the client, not about Redshift.
**Documented**: identifiers fold to lower case; VARCHAR counts bytes; keys are not enforced; the
rules of Parquet COPY and manifests; that SNAPSHOT isolation is the default, what fixes a snapshot,
and that LOCK does not; that UPDATE and DELETE wait for each other and INSERTs do not; TRUNCATE's
commit (refused here within a transaction). **Guessed**:

- SQLSTATEs, and the wording of most errors; 1023 for a conflict comes as XX000.
- A DELETE or UPDATE of a row that another transaction has changed since the snapshot fails with
  1023 here. Under SNAPSHOT a real one may go on.
- A DELETE or UPDATE that is a transaction's first statement and must wait has its snapshot from
  before it waits. c_write_readwrite says from after; this is the stricter reading.
- Which Parquet type fits which column: only pairs beyond doubt are taken.
- What LOCK needs to be granted: PostgreSQL decides.
- Rules marked "guess" in ``refuse``: strict where the documentation is silent.
- The wire protocol's version 0; a real one may agree to binary results.

**Not as on Redshift**: ``x::varchar(3)`` cuts by characters, not bytes; leader node and compute
nodes are one; there is no physical layout; system tables other than those of load errors are
PostgreSQL's; a simple query holds one statement; parsing, types and functions are PostgreSQL's
where no rule here says otherwise.
"""

from tests.doubles.redshift.server import RedshiftDouble, Template, redshift_double
from tests.doubles.redshift.session import HangUp
from tests.doubles.redshift.wire import WireError

__all__ = ["HangUp", "RedshiftDouble", "Template", "WireError", "redshift_double"]
