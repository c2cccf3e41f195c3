"""Pages of a list, one after another."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol, TypeVar

from poolfleet.transport import calls
from poolfleet.transport.calls import UnaryMethod
from poolfleet.transport.connection import Connection


class PageRequest(Protocol):
    """A request for a page."""

    page_token: str


class Page(Protocol):
    """An answer with a page."""

    next_page_token: str


PageRequestT = TypeVar("PageRequestT", bound=PageRequest)
PageT = TypeVar("PageT", bound=Page)


async def pages(
    connection: Connection,
    method: UnaryMethod[PageRequestT, PageT],
    request: PageRequestT,
    timeout_s: float | None,
) -> AsyncIterator[PageT]:
    """Ask for each page when it is wanted. `timeout_s` is each page's own."""
    while True:
        page = await calls.read(connection, method, request, timeout_s)
        yield page
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token
