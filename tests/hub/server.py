"""A Hub on loopback, as small as serves: what the client of huggingface_hub asks of it when data is published and read.

It speaks the one-commit protocol with its check of the parent, uploads of large files through LFS (in one piece or in
parts), trees page by page, files with ranges, tags, tokens and private repositories. It keeps a log of requests, and
does wrong what it is told to.
"""

import base64
import gzip
import hashlib
import json
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self
from urllib.parse import parse_qs, unquote, urlsplit

from tests.hub.faults import OVERTAKEN, REFUSED, UNMOVED, UNVEIL, Fault, Faults
from tests.hub.store import Commit, File, Repository, Store, User, copy_range, is_large
from tests.hub.xet import Xet

PAGE = 100
# Larger files are uploaded in parts.
PART_BYTES = 5_000_000
XET_TOKEN = "xet_of_one_upload"
INVALID = "Invalid credentials in Authorization header"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Request:
    """A line of the request log."""

    method: str
    path: str
    token: str | None
    status: int
    byte_count: int


class AnswerError(Exception):
    """An answer that ends the handling of a request."""

    def __init__(
        self,
        status: int,
        body: Any = None,
        code: str = "",
        message: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, message)
        self.status = status
        self.body = body if body is not None else {"error": message or code}
        self.headers = dict(headers or {})
        if code:
            self.headers["X-Error-Code"] = code
        if message:
            self.headers["X-Error-Message"] = message


class Hub:
    """The server; entering starts it in threads of its own.

    Attributes:
        store: what it keeps.
        faults: what it does wrong.
        log: the requests that it answered, or did not.
        victim: the client that faults kill.
    """

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder)
        self.xet = Xet(folder / "xet")
        self.faults = Faults()
        self.log: list[Request] = []
        self.victim: subprocess.Popen[str] | None = None
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.hub = self

    @property
    def endpoint(self) -> str:
        """What HF_ENDPOINT must say."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def storage(self) -> str:
        """Another host that large files are fetched from, as the Hub's are."""
        return f"http://localhost:{self._server.server_address[1]}"

    def user(self, token: str, name: str, *organizations: str, can_write: bool = True) -> None:
        """Let a token stand for a user."""
        self.store.users[token] = User(name, organizations, can_write)

    def kill(self) -> None:
        """End the client as it stands."""
        if self.victim is not None:
            self.victim.kill()
            self.victim.wait()

    def requests(self, where: str) -> list[Request]:
        """The requests of the log whose `METHOD path` matches a regular expression."""
        return [one for one in list(self.log) if re.search(where, f"{one.method} {one.path}")]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    hub: Hub

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away in the middle is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def log_message(self, *words: Any) -> None:
        """Nothing on stderr; there is a log."""

    def __getattr__(self, name: str) -> Any:
        """One way for all methods."""
        if name.startswith("do_"):
            return self._handle
        raise AttributeError(name)

    # --- a request from its first byte to its last ---

    def _handle(self) -> None:
        self.hub = self.server.hub
        self.store = self.hub.store
        url = urlsplit(self.path)
        self.parts = [unquote(part) for part in url.path.strip("/").split("/")]
        self.query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        authorization = self.headers.get("Authorization", "")
        self.token = authorization.removeprefix("Bearer ") if authorization.startswith("Bearer ") else None
        self.sent = 0
        self.status = 0
        self._unread = int(self.headers.get("Content-Length") or 0)
        fault = self.hub.faults.next(f"{self.command} {url.path}")
        if fault is not None and fault.kind == "latency":
            time.sleep(fault.seconds)
            fault = None
        try:
            self._answer(fault)
        finally:
            self.hub.log.append(Request(self.command, url.path, self.token, self.status, self.sent))

    def _answer(self, fault: Fault | None) -> None:
        if fault is not None and fault.kind == "kill":
            self.hub.kill()
        if fault is not None and fault.kind in {"drop", "kill"}:
            self._drop()
            return
        try:
            if fault is not None and fault.kind in REFUSED:
                self._refuse(fault)
            if fault is not None and fault.kind == UNMOVED:
                self._body()
                self._moved()
            if fault is not None and fault.kind == UNVEIL:
                self.store.repositories[f"{self.parts[2]}/{self.parts[3]}"].is_private = False
            if fault is not None and fault.kind == "stale" and "commit" in self.parts:
                self._sneak_in()
            self._route(fault)
        except AnswerError as answer:
            body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
            self._send(answer.status, body, fault, headers={"Content-Type": "application/json", **answer.headers})

    def _refuse(self, fault: Fault) -> None:
        self._body()
        wait = {"Retry-After": str(int(fault.seconds))} if fault.kind == "429" else {}
        raise AnswerError(int(fault.kind), message=f"made to fail with {fault.kind}", headers=wait)

    def _moved(self) -> NoReturn:
        raise AnswerError(412, message="A commit has happened since. Please refresh and try again.")

    def _drop(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _body(self) -> bytes:
        body = b"".join(iter(self._read_some, b""))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _read_some(self, count: int = 1 << 20) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            size = int(self.rfile.readline().strip() or b"0", 16)
            chunk = self.rfile.read(size)
            self.rfile.readline()
            if not size:
                del self.headers["Transfer-Encoding"]
            return chunk
        chunk = self.rfile.read(min(count, self._unread))
        if self._unread and not chunk:
            raise ConnectionError("the client went away")
        self._unread -= len(chunk)
        return chunk

    def _send(
        self,
        status: int,
        body: bytes | Path,
        fault: Fault | None = None,
        start: int = 0,
        count: int | None = None,
        *,
        headers: Mapping[str, str],
    ) -> None:
        """Answer with bytes or part of a file, as the fault lets it."""
        self.status = status
        size = len(body) if isinstance(body, bytes) else body.stat().st_size
        count = size - start if count is None else count
        if self._unread or self.headers.get("Transfer-Encoding"):
            self.close_connection = True
        if fault is not None and fault.kind == "kill after":
            self.hub.kill()
        if fault is not None and fault.kind in {"lost", "kill after"}:
            self._drop()
            return
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(count))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command == "HEAD":
            return
        is_cut = fault is not None and fault.kind == "truncate"
        if fault is not None and fault.kind == "flip" and count:
            content = bytearray(body if isinstance(body, bytes) else body.read_bytes())
            content[start + count // 2] ^= 1
            body = bytes(content)
        with BytesIO(body) if isinstance(body, bytes) else body.open("rb") as source:
            copy_range(source, start, count // 2 if is_cut else count, self._write)
        if is_cut:
            self._drop()

    def _write(self, chunk: bytes) -> None:
        self.wfile.write(chunk)
        self.sent += len(chunk)

    # --- what is asked for ---

    def _route(self, fault: Fault | None) -> None:
        match self.parts:
            case ["api", "whoami-v2"]:
                user = self._user()
                if user is None:
                    raise AnswerError(401, message=INVALID)
                orgs = [{"name": name} for name in user.organizations]
                raise AnswerError(200, {"type": "user", "name": user.name, "orgs": orgs, "auth": {}})
            case ["api", "validate-yaml"]:
                self._body()
                raise AnswerError(200, {"errors": [], "warnings": []})
            case ["api", "repos", "create"]:
                self._create()
            case ["api", "datasets", owner, name, "tag", revision]:
                self._tag(f"{owner}/{name}", revision, is_overtaken=fault is not None and fault.kind == OVERTAKEN)
            case ["api", "datasets", owner, name, *rest]:
                self._api(f"{owner}/{name}", rest)
            case ["datasets", owner, name, "info", "lfs", "objects", "batch"] if name.endswith(".git"):
                self._lfs_batch(f"{owner}/{name.removesuffix('.git')}")
            case ["lfs", *rest]:
                self._lfs(rest)
            case ["datasets", owner, name, "resolve", revision, *path]:
                self._resolve(f"{owner}/{name}", revision, "/".join(path), fault)
            case ["cdn", sha256]:
                self._file(self.store.blob(sha256), fault)
            case _:
                self._body()
                raise AnswerError(404, message="no such page")

    def _user(self) -> User | None:
        """Who asks; null for nobody."""
        if self.token is None:
            return None
        user = self.store.users.get(self.token)
        if user is None:
            self._body()
            raise AnswerError(401, message=INVALID)
        return user

    def _repository(self, name: str, *, to_write: bool = False) -> Repository:
        user = self._user()
        repository = self.store.repositories.get(name)
        owner = name.split("/", maxsplit=1)[0]
        is_own = user is not None and owner in (user.name, *user.organizations)
        if repository is None or (repository.is_private and not is_own):
            raise AnswerError(401 if user is None else 404, code="RepoNotFound", message="Repository not found")
        if to_write and (user is None or not is_own or not user.can_write):
            raise AnswerError(
                401 if user is None else 403, message="You don't have the rights to write to this repository"
            )
        return repository

    def _revision(self, repository: Repository, revision: str) -> Commit:
        commit = repository.resolve(revision)
        if commit is None:
            raise AnswerError(404, code="RevisionNotFound", message=f"Invalid rev id: {revision}")
        return commit

    def _create(self) -> None:
        wish = json.loads(self._body())
        user = self._user()
        if user is None:
            raise AnswerError(401, message="Invalid username or password.")
        owner = wish.get("organization") or user.name
        if owner not in (user.name, *user.organizations) or not user.can_write:
            text = f'You don\'t have the rights to create a dataset under the namespace "{owner}"'
            raise AnswerError(403, message=text)
        if not NAME.fullmatch(wish["name"]):
            raise AnswerError(400, message="Invalid name")
        name = f"{owner}/{wish['name']}"
        url = f"{self.hub.endpoint}/datasets/{name}"
        with self.store.lock:
            if name in self.store.repositories:
                raise AnswerError(409, {"error": "You already created this dataset repo", "url": url})
            is_private = wish.get("visibility") == "private" or wish.get("private") is True
            self.store.create(name, is_private=is_private)
        raise AnswerError(200, {"url": url, "name": name, "id": name})

    def _api(self, name: str, rest: list[str]) -> None:
        actions: dict[str, Callable[[str, str, list[str]], None]] = {
            "tree": self._tree,
            "paths-info": self._paths_info,
            "commits": self._commits,
            "preupload": self._preupload,
            "commit": self._commit,
        }
        match rest:
            case [] | ["revision", _]:
                self._info(name, rest[1] if rest else "main")
            case ["refs"]:
                self._refs(name)
            case ["xet-write-token" | "xet-read-token" as wish, _]:
                self._xet_token(name, to_write="write" in wish)
            case [action, revision, *path] if action in actions:
                actions[action](name, revision, path)
            case _:
                self._body()
                self._repository(name)
                raise AnswerError(404, message="no such page")

    def _info(self, name: str, revision: str) -> None:
        with self.store.lock:
            repository = self._repository(name)
            commit = self._revision(repository, revision)
            siblings = [{"rfilename": path} for path in sorted(commit.tree)]
            is_private = repository.is_private
        content = {
            "id": name,
            "author": name.split("/", maxsplit=1)[0],
            "sha": commit.oid,
            "private": is_private,
            "gated": False,
            "disabled": False,
            "tags": [],
            "downloads": 0,
            "likes": 0,
            "lastModified": "2031-01-01T00:00:00.000Z",
            "createdAt": "2031-01-01T00:00:00.000Z",
            "siblings": siblings,
        }
        raise AnswerError(200, content)

    def _refs(self, name: str) -> None:
        with self.store.lock:
            repository = self._repository(name)
            branches = [{"name": "main", "ref": "refs/heads/main", "targetCommit": repository.head}]
            tags = [
                {"name": tag, "ref": f"refs/tags/{tag}", "targetCommit": oid} for tag, oid in repository.tags.items()
            ]
        raise AnswerError(200, {"branches": branches, "converts": [], "tags": tags})

    def _tree(self, name: str, revision: str, path: list[str]) -> None:
        with self.store.lock:
            commit = self._revision(self._repository(name), revision)
        prefix = f"{'/'.join(path)}/" if path else ""
        rows: dict[str, dict[str, Any]] = {}
        for file in sorted(commit.tree):
            if file.startswith(prefix):
                inner = file[len(prefix) :].split("/")
                for depth in range(1, len(inner)):
                    folder = prefix + "/".join(inner[:depth])
                    rows.setdefault(folder, {"type": "directory", "oid": "0" * 40, "size": 0, "path": folder})
                rows[file] = _described(file, commit.tree[file])
        if self.query.get("recursive", "false").lower() not in ("true", "1"):
            rows = {one: row for one, row in rows.items() if "/" not in one[len(prefix) :]}
        if path and not rows:
            raise AnswerError(404, code="EntryNotFound", message=f"{prefix} does not exist on {revision}")
        start = int(self.query.get("cursor", "0"))
        page = [rows[one] for one in sorted(rows)[start : start + PAGE]]
        headers = {}
        if start + PAGE < len(rows):
            own = f"{self.hub.endpoint}{urlsplit(self.path).path}"
            asked = f"recursive={self.query.get('recursive', 'false')}&cursor={start + PAGE}"
            headers["Link"] = f'<{own}?{asked}>; rel="next"'
        raise AnswerError(200, page, headers=headers)

    def _paths_info(self, name: str, revision: str, path: list[str]) -> None:
        body = self._body()
        if self.headers.get("Content-Type", "").startswith("application/json"):
            paths = json.loads(body)["paths"]
        else:
            paths = parse_qs(body.decode()).get("paths", [])
        with self.store.lock:
            commit = self._revision(self._repository(name), revision)
        found = []
        for one in paths:
            if one in commit.tree:
                found.append(_described(one, commit.tree[one]))
            elif any(file.startswith(f"{one}/") for file in commit.tree):
                found.append({"type": "directory", "oid": "0" * 40, "size": 0, "path": one})
        raise AnswerError(200, found)

    def _commits(self, name: str, revision: str, path: list[str]) -> None:
        with self.store.lock:
            repository = self._repository(name)
            self._revision(repository, revision)
            found = [
                {
                    "id": commit.oid,
                    "title": commit.title,
                    "message": "",
                    "authors": [{"user": commit.author}],
                    "date": commit.date.isoformat().replace("+00:00", ".000Z"),
                }
                for commit in repository.history(revision)
            ]
        raise AnswerError(200, found)

    # --- uploads ---

    def _preupload(self, name: str, revision: str, path: list[str]) -> None:
        files = json.loads(self._body())["files"]
        with self.store.lock:
            commit = self._revision(self._repository(name, to_write=True), revision)
        answers = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if is_large(file["path"], file["size"]) else "regular",
                "shouldIgnore": False,
                "oid": commit.tree[file["path"]].etag if file["path"] in commit.tree else None,
            }
            for file in files
        ]
        raise AnswerError(200, {"files": answers})

    def _lfs_batch(self, name: str) -> None:
        wish = json.loads(self._body())
        with self.store.lock:
            self._repository(name, to_write=True)
        objects = []
        for one in wish["objects"]:
            row = {"oid": one["oid"], "size": one["size"]}
            if self.store.sizes.get(one["oid"]) != one["size"]:
                place = f"{self.hub.endpoint}/lfs/{one['oid']}"
                if one["size"] > PART_BYTES and "multipart" in wish["transfers"]:
                    count = -(-one["size"] // PART_BYTES)
                    parts = {str(part): f"{place}/part/{part}" for part in range(1, count + 1)}
                    upload = {"href": f"{place}/complete", "header": {"chunk_size": str(PART_BYTES), **parts}}
                else:
                    upload = {"href": place}
                row["actions"] = {"upload": upload, "verify": {"href": f"{place}/verify"}}
            objects.append(row)
        raise AnswerError(200, {"transfer": "basic", "objects": objects})

    def _lfs(self, rest: list[str]) -> None:
        match self.command, rest:
            case "PUT", [oid]:
                sha256, _ = self.store.keep(self._read_some)
                if sha256 != oid:
                    raise AnswerError(400, message="the bytes are not those of the oid")
                raise AnswerError(200, {})
            case "PUT", [oid, "part", number]:
                sha256, _ = self.store.keep(self._read_some)
                (self.store.folder / f"part-{oid}-{number}").write_text(sha256)
                raise AnswerError(200, {}, headers={"ETag": f'"{sha256}"'})
            case "POST", [oid, "complete"]:
                self._join(oid, [part["partNumber"] for part in json.loads(self._body())["parts"]])
                raise AnswerError(200, {})
            case "POST", [oid, "verify"]:
                self._body()
                raise AnswerError(200 if oid in self.store.sizes else 404, {})
            case _:
                raise AnswerError(404, message="no such page")

    def _join(self, oid: str, numbers: list[int]) -> None:
        """Put a file together from its parts."""
        digest = hashlib.sha256()
        whole = self.store.folder / f"whole-{oid}"
        with whole.open("wb") as out:
            for number in numbers:
                part = (self.store.folder / f"part-{oid}-{number}").read_text()
                content = self.store.blob(part).read_bytes()
                digest.update(content)
                out.write(content)
        if digest.hexdigest() != oid:
            raise AnswerError(400, message="the parts are not those of the oid")
        size = whole.stat().st_size
        whole.replace(self.store.blob(oid))
        self.store.sizes[oid] = size

    def _xet_token(self, name: str, *, to_write: bool) -> None:
        with self.store.lock:
            self._repository(name, to_write=to_write)
        expiry = int(time.time()) + 3600
        headers = {
            "X-Xet-Cas-Url": self.hub.xet.endpoint,
            "X-Xet-Access-Token": XET_TOKEN,
            "X-Xet-Token-Expiration": str(expiry),
        }
        raise AnswerError(
            200, {"casUrl": self.hub.xet.endpoint, "exp": expiry, "accessToken": XET_TOKEN}, headers=headers
        )

    def _commit(self, name: str, revision: str, path: list[str]) -> None:
        lines = [json.loads(line) for line in self._body().splitlines()]
        with self.store.lock:
            repository = self._repository(name, to_write=True)
            head = self._revision(repository, revision)
            header = lines[0]["value"]
            if header.get("parentCommit", head.oid) != head.oid:
                self._moved()
            tree = dict(head.tree)
            names = self._fetched([line["value"] for line in lines[1:] if line["key"] == "lfsFile"])
            for line in lines[1:]:
                self._apply(line["key"], line["value"], tree, names)
            user = self._user()
            assert user is not None
            commit = repository.commit(tree, header["summary"], user.name)
        url = f"{self.hub.endpoint}/datasets/{name}/commit/{commit.oid}"
        raise AnswerError(200, {"success": True, "commitOid": commit.oid, "commitUrl": url, "hookOutput": ""})

    def _fetched(self, files: list[dict[str, Any]]) -> dict[str, str]:
        """Take over what was uploaded through Xet; SHA-256 → its name there."""
        names = self.hub.xet.names()
        new = {file["oid"]: file["size"] for file in files if file["oid"] in names.keys() - self.store.sizes.keys()}
        if new:
            self.hub.xet.fetch([(names[oid], size, self.store.blob(oid)) for oid, size in new.items()])
            self.store.sizes |= new
        return names

    def _apply(self, key: str, value: dict[str, Any], tree: dict[str, File], names: Mapping[str, str]) -> None:
        """One operation of a commit."""
        where = value["path"]
        if key == "file":
            tree[where] = self.store.regular(base64.b64decode(value["content"]))
        elif key == "lfsFile":
            if value["oid"] not in self.store.sizes:
                raise AnswerError(400, message=f"{where} was not uploaded")
            tree[where] = self.store.large(value["oid"], self.store.sizes[value["oid"]], names.get(value["oid"]))
        elif key == "deletedFile":
            if where not in tree:
                raise AnswerError(400, message=f"{where} is not there")
            del tree[where]
        else:
            raise AnswerError(400, message=f"{key} is not known")

    def _sneak_in(self) -> None:
        """Somebody else's commit, while ours is on its way."""
        with self.store.lock:
            repository = self.store.repositories[f"{self.parts[2]}/{self.parts[3]}"]
            tree = dict(repository.commits[repository.head].tree)
            tree["notes.txt"] = self.store.regular(f"note {len(repository.commits)}".encode())
            repository.commit(tree, "A note", "somebody")

    def _tag(self, name: str, revision: str, *, is_overtaken: bool) -> None:
        wish = json.loads(self._body())
        with self.store.lock:
            repository = self._repository(name, to_write=True)
            commit = self._revision(repository, revision)
            if is_overtaken:
                repository.tags[wish["tag"]] = next(iter(repository.commits))
            if wish["tag"] in repository.tags:
                raise AnswerError(409, message="Tag reference exists already")
            repository.tags[wish["tag"]] = commit.oid
            repository.tag_messages[wish["tag"]] = wish.get("message", "")
        raise AnswerError(200, {})

    # --- downloads ---

    def _resolve(self, name: str, revision: str, path: str, fault: Fault | None) -> None:
        with self.store.lock:
            commit = self._revision(self._repository(name), revision)
        file = commit.tree.get(path)
        if file is None:
            raise AnswerError(404, code="EntryNotFound", message="Entry not found")
        about = {"X-Repo-Commit": commit.oid, "ETag": f'"{file.etag}"'}
        if not file.is_large:
            self._file(self.store.blob(file.sha256), fault, about)
            return
        about |= {"X-Linked-Etag": f'"{file.etag}"', "X-Linked-Size": str(file.size)}
        if file.xet_hash is not None:
            about["X-Xet-Hash"] = file.xet_hash
            about["X-Xet-Refresh-Route"] = f"{self.hub.endpoint}/api/datasets/{name}/xet-read-token/{commit.oid}"
        self._send(302, b"", fault, headers={"Location": f"{self.hub.storage}/cdn/{file.sha256}", **about})

    def _file(self, file: Path, fault: Fault | None, about: Mapping[str, str] | None = None) -> None:
        size = file.stat().st_size
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        headers = {"Accept-Ranges": "bytes", "Content-Type": "application/octet-stream", **(about or {})}
        if wanted is None:
            self._send(200, file, fault, headers=headers)
            return
        start, end = int(wanted[1]), min(int(wanted[2] or size - 1), size - 1)
        if start > end:
            raise AnswerError(416, message="no such range", headers={"Content-Range": f"bytes */{size}"})
        headers["Content-Range"] = f"bytes {start}-{end}/{size}"
        self._send(206, file, fault, start, end - start + 1, headers=headers)


def _described(path: str, file: File) -> dict[str, Any]:
    """A file as trees show it."""
    row: dict[str, Any] = {"type": "file", "oid": file.git_sha1, "size": file.size, "path": path}
    if file.is_large:
        row["lfs"] = {"oid": file.sha256, "size": file.size, "pointerSize": 130}
        if file.xet_hash is not None:
            row["xetHash"] = file.xet_hash
    return row
