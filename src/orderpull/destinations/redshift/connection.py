"""The driver's connection, with what redshift_connector leaves to chance: time-outs and sockets."""

import os
from contextlib import suppress
from math import ceil

from redshift_connector.core import Connection
from redshift_connector.error import Error

from orderpull.destinations.redshift.auth import Address, Login


class RedshiftConnection(Connection):
    """A connection that commits each statement, unless a transaction is begun.

    :param seconds: how long connecting may take, each wait of it.
    :raises Error: it cannot be made. :raises OSError: the same.
    """

    def __init__(self, address: Address, who: Login, seconds: float) -> None:
        tls = address.sslmode != "disable"
        try:
            super().__init__(
                user=who.user,
                password=who.password,
                database=address.database,
                host=address.host,
                port=address.port,
                ssl=tls,
                sslmode=address.sslmode,
                timeout=ceil(seconds),
                application_name="orderpull",
            )
        except BaseException:
            self._let_go()
            raise
        self.autocommit = True

    def wait_for(self, seconds: float) -> None:
        """How long a statement is waited for from now on: the driver knows one time-out for all."""
        self._usock.settimeout(seconds)

    def leave(self) -> None:
        """Say goodbye, if anybody still listens, and close the socket."""
        with suppress(Error, OSError):
            self.close()
        self._let_go()

    def _let_go(self) -> None:
        # The driver closes nothing where connecting fails, and not all where the other side hung
        # up; its garbage would hold the socket open for as long as the error is remembered.
        wire = getattr(self, "_usock", None)
        if wire is not None and wire.fileno() >= 0:
            with suppress(OSError):
                os.close(wire.detach())
