"""An S3-compatible store on loopback, as small as s3fs lets it be, that can be told to be slow or to fail.

It keeps objects in memory and looks at no signature: ListObjectsV2, GET with ranges, HEAD, PUT, multipart uploads, and
DELETE of one object and of many.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"
# What a client that was told so has to do without: a status and the code of S3, or nothing.
Fault = tuple[int, str] | None


@dataclass
class Stored:
    data: bytes
    changed_at: float = field(default_factory=time.time)

    @property
    def etag(self) -> str:
        return f'"{hashlib.md5(self.data).hexdigest()}"'


class Store:
    """Buckets, and what was asked of them.

    Attributes:
        buckets: name → key → object.
        asked: method and path of each request, in order.
        fault: is asked before each request what is to become of it.
        seconds: for which every answer is held back.
        page: keys in a page of a listing.
    """

    def __init__(self) -> None:
        self.buckets: dict[str, dict[str, Stored]] = {"desk": {}}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.asked: list[tuple[str, str]] = []
        self.fault: Callable[[str, str], Fault] = lambda method, path: None
        self.seconds = 0.0
        self.page = 1000
        self.lock = threading.RLock()
        self.address = ""

    def put(self, key: str, text: str | bytes, *, age: float = 3600, bucket: str = "desk") -> None:
        data = text.encode() if isinstance(text, str) else text
        with self.lock:
            self.buckets[bucket][key] = Stored(data, time.time() - age)

    def gets(self) -> list[str]:
        """Keys of objects that were fetched."""
        return [
            unquote(path.split("/", 2)[2]) for method, path in self.asked if method == "GET" and path.count("/") > 1
        ]


def _handler(store: Store) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def _answer(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            if "Content-Length" not in (headers or {}):
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def _fail(self, status: int, code: str) -> None:
            self._answer(status, f"<Error><Code>{code}</Code><Message>AKIASECRET</Message></Error>".encode())

        def _body(self) -> bytes:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if "aws-chunked" not in self.headers.get("Content-Encoding", ""):
                return body
            data, rest = b"", body
            while rest:
                size, _, rest = rest.partition(b"\r\n")
                count = int(size.split(b";")[0], 16)
                if not count:
                    break
                data, rest = data + rest[:count], rest[count + 2 :]
            return data

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            _, bucket, *key = parts.path.split("/", 2)
            name = unquote(key[0]) if key else ""
            asked = {option: values[0] for option, values in parse_qs(parts.query, keep_blank_values=True).items()}
            body = self._body()
            with store.lock:
                store.asked.append((self.command, parts.path))
                fault = store.fault(self.command, unquote(parts.path))
            time.sleep(store.seconds)
            if fault is not None:
                self._fail(*fault)
                return
            with store.lock:
                objects = store.buckets.get(bucket)
            if objects is None:
                self._fail(404, "NoSuchBucket")
            elif self.command == "GET" and not name:
                self._list(bucket, objects, asked)
            elif self.command == "POST":
                self._post(objects, name, asked, body)
            elif self.command == "PUT":
                self._put(objects, name, asked, body)
            elif self.command == "DELETE":
                with store.lock:
                    objects.pop(name, None)
                self._answer(204)
            elif not name:
                self._answer(200)
            else:
                self._get(objects.get(name))

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815 - http.server's names

        def _get(self, one: Stored | None) -> None:
            if one is None:
                self._fail(404, "NoSuchKey")
                return
            data, status = one.data, 200
            headers = {"ETag": one.etag, "Last-Modified": formatdate(one.changed_at, usegmt=True)}
            asked = self.headers.get("Range")
            if asked:
                first, _, last = asked.removeprefix("bytes=").partition("-")
                data, status = data[int(first) : int(last) + 1 if last else None], 206
                headers["Content-Range"] = f"bytes {first}-{int(first) + len(data) - 1}/{len(one.data)}"
            self._answer(status, data, {**headers, "Content-Length": str(len(data))})

        def _put(self, objects: dict[str, Stored], name: str, asked: dict[str, str], body: bytes) -> None:
            with store.lock:
                if "uploadId" in asked:
                    store.uploads[asked["uploadId"]][int(asked["partNumber"])] = body
                    etag = Stored(body).etag
                else:
                    objects[name] = Stored(body)
                    etag = objects[name].etag
            self._answer(200, headers={"ETag": etag})

        def _post(self, objects: dict[str, Stored], name: str, asked: dict[str, str], body: bytes) -> None:
            with store.lock:
                if "delete" in asked:
                    keys = [key.text or "" for key in ElementTree.fromstring(body).iter() if key.tag.endswith("Key")]
                    for key in keys:
                        objects.pop(key, None)
                    self._answer(200, b"<DeleteResult></DeleteResult>")
                elif "uploads" in asked:
                    upload = f"upload{len(store.uploads)}"
                    store.uploads[upload] = {}
                    self._answer(
                        200,
                        f"<InitiateMultipartUploadResult><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>".encode(),
                    )
                else:
                    parts = store.uploads.pop(asked["uploadId"])
                    objects[name] = Stored(b"".join(parts[number] for number in sorted(parts)))
                    etag = escape(objects[name].etag)
                    self._answer(
                        200,
                        f"<CompleteMultipartUploadResult><ETag>{etag}</ETag></CompleteMultipartUploadResult>".encode(),
                    )

        def _list(self, bucket: str, objects: dict[str, Stored], asked: dict[str, str]) -> None:
            with store.lock:
                keys = sorted(key for key in objects if key.startswith(asked.get("prefix", "")))
                delimiter, after = asked.get("delimiter", ""), asked.get("continuation-token", "")
                lines: list[str] = []
                folders: set[str] = set()
                last = ""
                for key in (key for key in keys if key > after):
                    rest = key[len(asked.get("prefix", "")) :]
                    if len(lines) + len(folders) >= min(int(asked.get("max-keys", "1000")), store.page):
                        break
                    last = key
                    if delimiter and delimiter in rest:
                        folders.add(key[: len(key) - len(rest)] + rest.split(delimiter)[0] + delimiter)
                        continue
                    one = objects[key]
                    at = datetime.fromtimestamp(one.changed_at, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
                    lines.append(
                        f"<Contents><Key>{quote(key)}</Key><LastModified>{at}</LastModified>"
                        f"<ETag>{escape(one.etag)}</ETag><Size>{len(one.data)}</Size></Contents>"
                    )
                is_truncated = bool(keys) and bool(last) and last != keys[-1]
            found = "".join(
                [*lines, *(f"<CommonPrefixes><Prefix>{quote(f)}</Prefix></CommonPrefixes>" for f in folders)]
            )
            token = f"<NextContinuationToken>{escape(last)}</NextContinuationToken>" if is_truncated else ""
            self._answer(
                200,
                f'<ListBucketResult xmlns="{NAMESPACE[1:-1]}"><EncodingType>url</EncodingType><Name>{bucket}</Name>'
                f"<KeyCount>{len(lines)}</KeyCount><IsTruncated>{str(is_truncated).lower()}</IsTruncated>"
                f"{token}{found}</ListBucketResult>".encode(),
            )

    return Handler


@contextmanager
def serving() -> Iterator[Store]:
    """A store that answers at `address`."""
    store = Store()
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(store)) as server:
        server.daemon_threads = True
        store.address = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield store
        server.shutdown()
