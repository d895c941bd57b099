"""HTTP over sockets: connections that stay open between calls, and some that are cut on purpose.

Werkzeug's own server is not used: it closes the connection after every answer, which doubles what
a call takes, and it can't hang up.
"""

import contextlib
import io
import socket
import struct
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from werkzeug import Request, Response

Answerer = Callable[[Request], Response]
# Close without the usual goodbye, so that the other side sees a reset.
ABORT = struct.pack("ii", 1, 0)


class HangUpError(Exception):
    """The connection is to end without an answer; with `reset` abruptly."""

    def __init__(self, *, reset: bool) -> None:
        super().__init__("reset" if reset else "closed")
        self.reset = reset


class Server(ThreadingHTTPServer):
    """Listens at once; `serve_forever` answers, each connection from a thread of its own."""

    daemon_threads = True
    # Of more connections at once than wait here, the kernel drops some, and each comes back only
    # after a second. Our sender opens sixteen.
    request_queue_size = 128

    def __init__(self, host: str, port: int, answer: Answerer) -> None:
        self.answer = answer
        self._open: set[socket.socket] = set()
        super().__init__((host, port), Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection, so that closing the server closes it."""
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget the connection."""
        self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Stop listening and end the connections that clients keep open."""
        super().server_close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent about clients that went away."""


class Handler(BaseHTTPRequestHandler):
    """Reads a request whole, and writes an answer in one piece."""

    protocol_version = "HTTP/1.1"
    server_version = "nginx"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Server

    def _respond(self) -> None:
        request = Request(self._environ())
        try:
            response = self.server.answer(request)
        except HangUpError as hang_up:
            self._hang_up(reset=hang_up.reset)
            return
        body = response.get_data()
        self.send_response(response.status_code)
        for name, value in response.headers.items():
            if name.lower() != "content-length":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    do_GET = do_POST = do_DELETE = do_PUT = do_PATCH = do_HEAD = _respond  # noqa: N815

    def _hang_up(self, *, reset: bool) -> None:
        self.close_connection = True
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
            # The file objects would keep the socket open until the thread ends.
            self.rfile.close()
            self.connection.close()
            self.rfile = io.BytesIO()

    def _environ(self) -> dict[str, Any]:
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {
            "HTTP_" + name.upper().replace("-", "_"): value for name, value in self.headers.items()
        }
        return {
            **headers,
            "CONTENT_LENGTH": str(len(body)),
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "PATH_INFO": unquote(path, "latin-1"),
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "SCRIPT_NAME": "",
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": str(self.server.server_port),
            "SERVER_PROTOCOL": self.request_version,
            "wsgi.input": io.BytesIO(body),
            "wsgi.url_scheme": "http",
        }

    def log_message(self, *_: object) -> None:
        """Stay silent: the sandbox keeps its own record."""
