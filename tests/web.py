"""The site over real HTTP, from a thread, for what must cross a socket."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.core.wsgi import get_wsgi_application
from django.db import connections
from werkzeug.serving import WSGIRequestHandler, make_server


class _Quiet(WSGIRequestHandler):
    def log(self, *args: Any, **kwargs: Any) -> None:
        """Stay silent."""


def _closing(application: Callable[..., Any]) -> Callable[..., Any]:
    """Close each request's connections: its thread ends, and the database is to be dropped."""

    def answer(environ: Any, start_response: Any) -> Any:
        try:
            response = application(environ, start_response)
            body = list(response)
            response.close()
            return body
        finally:
            connections.close_all()

    return answer


@contextmanager
def serving() -> Iterator[str]:
    """Serve the site on a free port of 127.0.0.1; yields its address."""
    server = make_server(
        "127.0.0.1", 0, _closing(get_wsgi_application()), threaded=True, request_handler=_Quiet
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
