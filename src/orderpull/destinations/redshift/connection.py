"""The driver's connection, with time-outs and sockets that redshift_connector neglects."""

import os
from contextlib import suppress
from math import ceil

from redshift_connector.core import Connection
from redshift_connector.error import Error

from orderpull.destinations.redshift.auth import Address, Login


class RedshiftConnection(Connection):
    """A connection that commits each statement outside a transaction.

    :param seconds: time limit of each wait while connecting.
    :raises Error: connecting failed. :raises OSError: the same.
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
            self._close_socket()
            raise
        self.autocommit = True

    def wait_for(self, seconds: float) -> None:
        """Set the time limit of each wait from now on: the driver has one time-out for all."""
        self._usock.settimeout(seconds)

    def leave(self) -> None:
        """End the session, if the server still listens, and close the socket."""
        with suppress(Error, OSError):
            self.close()
        self._close_socket()

    def _close_socket(self) -> None:
        # The driver leaves the socket open if connecting fails or the server hangs up, for as long
        # as the error, and with it the connection, is referenced.
        wire = getattr(self, "_usock", None)
        if wire is not None and wire.fileno() >= 0:
            with suppress(OSError):
                os.close(wire.detach())
