import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from nlpreg.common.caching import remote


class FlakyServer:
    """An HTTP server on loopback that can drop connections, change its files, and forget about ranges.

    Attributes set by tests: `files` (path -> bytes); `drop_after` (bytes of the body after which a connection is cut;
    None never); `drops_left` (how many connections are still to be cut); `etags`, `ranges`, `head` (whether they are
    known); `errors` (status codes to answer with first). `requests` is what was asked: (method, path, range header).
    """

    def __init__(self):
        self.files = {}
        self.drop_after = None
        self.drops_left = 10**6
        self.etags = self.ranges = self.head = True
        self.errors = []
        self.requests = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 30

            def do_HEAD(self):
                outer.answer(self, body=False)

            def do_GET(self):
                outer.answer(self, body=True)

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        serve = self._server.serve_forever
        self._thread = threading.Thread(target=serve, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self):
        """Close the port; a second call does nothing."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(30)
        assert not self._thread.is_alive()

    def etag(self, path):
        return '"' + hashlib.md5(self.files[path]).hexdigest() + '"'

    def answer(self, request, body):
        asked = request.headers.get("Range")
        self.requests.append((request.command, request.path, asked))
        if not body and not self.head:
            request.send_error(405)
            return
        if body and self.errors:
            request.send_error(self.errors.pop(0))
            return
        if request.path not in self.files:
            request.send_error(404)
            return
        content, start = self.files[request.path], 0
        unchanged = request.headers.get("If-Range") in (None, self.etag(request.path))
        if asked and self.ranges and unchanged:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                request.send_response(416)
                request.send_header("Content-Range", f"bytes */{len(content)}")
                request.send_header("Content-Length", "0")
                request.end_headers()
                return
            request.send_response(206)
            request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            request.send_response(200)
        if self.etags:
            request.send_header("ETag", self.etag(request.path))
        request.send_header("Content-Length", str(len(content) - start))
        request.end_headers()
        if not body:
            return
        part = content[start:]
        if self.drop_after is not None and self.drops_left > 0 and len(part) > self.drop_after:
            self.drops_left -= 1
            part = part[: self.drop_after]  # less than promised, then the connection is closed
        request.wfile.write(part)
        request.wfile.flush()

    def gets(self):
        return [asked for method, _, asked in self.requests if method == "GET"]


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(remote, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(remote.HttpSource.__init__, "__defaults__", (remote.TRIES, 0.001, 5.0))
    flaky = FlakyServer()
    try:
        yield flaky
    finally:
        flaky.stop()
