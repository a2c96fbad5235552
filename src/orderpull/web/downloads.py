"""Downloads: every table of the pages as a CSV or XLSX file."""

import tempfile
from collections.abc import Callable, Iterator
from typing import IO

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from orderpull.answers.xlsx import MEDIA_TYPE
from orderpull.destinations.protocol import Reader
from orderpull.web.cache import CachedQueries
from orderpull.web.context import QueryContext
from orderpull.web.csv_export import TABLES, file_name_of, write_table
from orderpull.web.question import read_question
from orderpull.web.rendering import locale_of
from orderpull.web.xlsx_export import write_workbook

MEMORY_BYTES = 4 << 20
"""Larger files are buffered on disk."""

WriteTable = Callable[[str, QueryContext, IO[bytes]], None]
"""Writes the table of this name to a file."""


class Downloads:
    """The routes of the files."""

    def __init__(self, queries: CachedQueries) -> None:
        self.queries = queries

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [Route("/csv/{name}", self.csv), Route("/xlsx/{name}", self.xlsx)]

    def csv(self, request: Request) -> Response:
        """Send a table as a CSV file."""
        return self._send(request, "csv", "text/csv", write_table)

    def xlsx(self, request: Request) -> Response:
        """Send a table as an XLSX file."""
        return self._send(request, "xlsx", MEDIA_TYPE, write_workbook)

    def _send(self, request: Request, kind: str, media_type: str, write: WriteTable) -> Response:
        """Send a table. :param kind: the ending of the file's name."""
        name = request.path_params["name"]
        if name not in TABLES:
            raise HTTPException(404)
        question = read_question(request.query_params.multi_items())
        language = locale_of(request.headers.get("accept-language", "")).language
        question = self.queries.with_countries_meant(question, language)
        today = self.queries.today()
        # The file is complete before its first byte is sent: an error never cuts it short.
        file = tempfile.SpooledTemporaryFile(MEMORY_BYTES)  # noqa: SIM115 - closed when sent

        def read(reader: Reader) -> None:
            write(name, self.queries.context(reader, question, today), file)

        try:
            self.queries.warehouse.read(read)
        except BaseException:
            file.close()
            raise
        file_name = file_name_of(name, question, question.days(today), kind)
        headers = {"content-disposition": f'attachment; filename="{file_name}"'}
        return StreamingResponse(_chunks(file), media_type=media_type, headers=headers)


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        file.seek(0)
        while chunk := file.read(1 << 16):
            yield chunk
