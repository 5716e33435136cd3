"""A model hub on this computer that answers as the Hugging Face hub does, and misbehaves where a test wants it to."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass
class Hub:
    """What there is, by "owner/repository/file", and how it is given.

    ranges:   whether a request may begin in the middle
    cut:      bytes of an answer's body after which the connection ends, for the next so many answers
    redirect: whether files come from elsewhere, as the hub's large ones do
    hold:     bytes of a body after which an answer waits for `go_on`
    digests:  what is told in place of a file's own sha256
    commit:   of everything that is there; other revisions than it and "main" there are not
    moved_to: where every file is said to lie instead, before its path
    endless:  whether every address leads on to itself
    sizes:    what is told in place of a file's own size
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    cut: int = 0
    cuts: int = 0
    redirect: bool = False
    hold: int | None = None
    go_on: threading.Event = field(default_factory=threading.Event)
    digests: dict[str, str] = field(default_factory=dict)
    commit: str = "0" * 40
    moved_to: str = ""
    endless: bool = False
    sizes: dict[str, int] = field(default_factory=dict)
    asked: list[tuple[str, str, str]] = field(default_factory=list)  # method, path, range

    def add(self, repository: str, folder: Path) -> None:
        for file in folder.iterdir():
            self.files[f"{repository}/{file.name}"] = file.read_bytes()

    @property
    def fetched(self) -> list[str]:
        """The ranges that were asked for, of the files themselves."""
        return [asked for method, path, asked in self.asked if method == "GET" and "/resolve/" in path]


@contextmanager
def serve(hub: Hub) -> Iterator[Hub]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def log_message(self, *_: Any) -> None:
            pass

        def _answer(self, with_body: bool) -> None:
            wanted = self.headers.get("Range", "")
            hub.asked.append((self.command, self.path, wanted))
            name = self.path.removeprefix("/elsewhere").lstrip("/")
            for revision in ("main", hub.commit):
                name = name.replace(f"/resolve/{revision}", "")
            content = hub.files.get(name)
            if content is None:
                self.send_response(404)
                self.send_header("X-Error-Code", "EntryNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            digest = hub.digests.get(name) or hashlib.sha256(content).hexdigest()
            if hub.endless or (hub.redirect and not self.path.startswith("/elsewhere")):
                self.send_response(302)
                self._describe(name, digest, content)
                self.send_header(
                    "Location",
                    hub.url + self.path if hub.endless else f"{hub.moved_to or hub.url}/elsewhere{self.path}",
                )
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and hub.ranges else 0
            body = content[start:]
            self.send_response(206 if wanted and hub.ranges else 200)
            if wanted and hub.ranges:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self._describe(name, digest, content)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if with_body:
                self._send(body)

        def _describe(self, name: str, digest: str, content: bytes) -> None:
            self.send_header("X-Repo-Commit", hub.commit)
            self.send_header("X-Linked-Etag", f'"{digest}"')
            self.send_header("X-Linked-Size", str(hub.sizes.get(name, len(content))))

        def _send(self, body: bytes) -> None:
            try:
                if hub.hold is not None and len(body) > hub.hold:
                    self.wfile.write(body[: hub.hold])
                    self.wfile.flush()
                    hub.go_on.wait()
                    body = body[hub.hold :]
                if hub.cuts and len(body) > hub.cut:
                    hub.cuts -= 1
                    body, self.close_connection = body[: hub.cut], True
                self.wfile.write(body)
            except ConnectionError:  # whoever asked has seen enough
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="hub", daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.go_on.set()
        server.shutdown()
        server.server_close()
        thread.join()
