"""Watches every request the suite makes of an application: each leaves exactly one audit entry, and nothing that was sent
comes back in a log, a metric or an error.

What must not come back is collected from the requests themselves: tokens, passwords and codes, what people are called and
how they are reached, values of searches for people, free text. `Witness` stands in front of the application (see
`tests/api/conftest.py`); `tests/conftest.py` compares what was printed and logged after every test, in every process.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from pymongo import MongoClient

from api.asgi import Message, Receive, Scope, Send
from api.front import Application, Front
from api.metrics import exposition
from api.settings import Settings

CANARIES: set[str] = set()
"""Everything sent so far by the tests of this process that may appear nowhere."""
SHORTEST, LONGEST_BODY = 6, 1 << 20
_WORD = re.compile(r"[\w\-]{6,}")
_SECRET_FIELDS = frozenset(
    {
        *("family", "given", "line", "password", "email", "otp", "refreshToken", "mfaToken", "token", "reason", "note"),
        *("firstName", "lastName", "div", "code_verifier", "client_secret", "client_assertion", "refresh_token"),
        *("birthDate", "postalCode", "newPassword", "currentPassword", "recoveryCode", "secret"),
    }
)
_PERSONAL_VALUES = frozenset({"identifier", "telecom"})
"""Elements of people whose `value` is theirs."""
_PERSONAL_PARAMETERS = re.compile(
    r"(^|\.|:)(name|family|given|address(-\w+)?|phone|email|telecom|birthdate|identifier|phonetic|_text|_content)(:\w+)?$"
)
_UNRECORDED = re.compile(r"^(/fhir/(metadata|\.well-known/.*)|/oauth/(jwks|style\.css)|/\.well-known/.*)$")
_RECORDED = re.compile(r"^/(fhir|oauth|api/v1)(/|$)")


def words_of(text: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(text)}


PROJECT = Path(__file__).resolve().parent.parent
_SOURCES = [path for name in ("api", "domain", "storage", "fhir_mapping") for path in (PROJECT / name).rglob("*.py")]
_ORDINARY = {
    *(word for path in _SOURCES if "demo" not in path.parts for word in words_of(path.read_text("utf-8"))),
    *words_of(exposition().decode()),
}
"""Words the program says by itself, in its source and in its metrics before anything was sent."""


class Broken(AssertionError):
    """A promise was broken: nothing of the value is said but its length."""


class Seen(NamedTuple):
    """One answered request: how many entries it must have left."""

    request_id: str
    entries: int
    status: int
    about: str


class Witness:
    """In place of the front of an application."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._seen: list[Seen] = []

    async def __call__(self, application: Application, scope: Scope, receive: Receive, send: Send) -> None:
        body, answer = bytearray(), bytearray()
        start: dict[str, Any] = {}

        async def heard() -> Message:
            message = await receive()
            if message["type"] == "http.request" and len(body) < LONGEST_BODY:
                body.extend(message.get("body", b""))
            return message

        async def said(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            elif start.get("status", 0) >= 400:
                answer.extend(message.get("body", b""))
            await send(message)

        await self._front(application, scope, heard, said)
        sent = canaries_in(scope, bytes(body))
        CANARIES.update(sent)
        if start:
            self._note(scope, bytes(body), start)
            found = sent & words_of(bytes(answer).decode("utf-8", "replace"))
            if found:
                raise Broken(f"an error ({start['status']}) quotes what was sent: {shapes_of(found)}")

    def _note(self, scope: Scope, body: bytes, start: dict[str, Any]) -> None:
        headers = dict(start["headers"])
        path = (scope.get("raw_path") or scope["path"].encode()).partition(b"?")[0].decode("latin-1")
        if b"x-request-id" in headers and _RECORDED.match(path) and not _UNRECORDED.match(path):
            entries = 1 + nested_in(path, body) if start["status"] == 200 else 1
            about = f"{scope['method']} {path.split('/')[1]}"
            self._seen.append(Seen(headers[b"x-request-id"].decode(), entries, start["status"], about))

    def compare(self, settings: Settings) -> None:
        """Hold the audit against the requests. What could not be recorded was answered with 503."""
        assert settings.mongodb_uri is not None
        with MongoClient[dict[str, Any]](settings.mongodb_uri) as client:
            rows = client[settings.database]["audit"].find({}, {"request_id": 1})
            found = Counter(row["request_id"] for row in rows)
        expected: Counter[str] = Counter()
        excused: Counter[str] = Counter()
        for seen in self._seen:
            expected[seen.request_id] += seen.entries
            if seen.status == 503:
                excused[seen.request_id] += seen.entries
        wrong = {
            name: (found[name], number)
            for name, number in expected.items()
            if not number - excused[name] <= found[name] <= number
        }
        if wrong:
            about = {seen.request_id: f"{seen.about} {seen.status}" for seen in self._seen}
            said = [f"{about[name]}: {there} entries instead of {number}" for name, (there, number) in wrong.items()]
            raise Broken("; ".join(said[:5]))


def nested_in(path: str, body: bytes) -> int:
    """How many requests of its own a Bundle holds: all entries of a batch, the reads of a transaction."""
    if path.rstrip("/") != "/fhir":
        return 0
    try:
        bundle = json.loads(body)
    except ValueError:
        return 0
    if not isinstance(bundle, dict):
        return 0
    entries = bundle.get("entry", [])
    if bundle.get("type") == "batch":
        return len(entries)
    return sum(entry.get("request", {}).get("method") in ("GET", "HEAD") for entry in entries)


def canaries_in(scope: Scope, body: bytes) -> set[str]:
    """What a request holds that may not appear anywhere, as words."""
    texts: list[str] = []
    headers = dict(scope["headers"])
    texts.append(headers.get(b"authorization", b"").decode("latin-1").rpartition(".")[2].removeprefix("Bearer "))
    texts += _parameters(scope["query_string"].decode("latin-1"))
    if headers.get(b"content-type", b"").startswith(b"application/x-www-form-urlencoded"):
        texts += _parameters(body.decode("latin-1"))
    elif body:
        with contextlib.suppress(ValueError, RecursionError):
            texts += _fields(json.loads(body), "")
    return {word for text in texts for word in words_of(text)} - _ORDINARY


def _parameters(query: str) -> list[str]:
    pairs = parse_qsl(query[:20_000], max_num_fields=10_000) if query else []
    return [value for name, value in pairs if _PERSONAL_PARAMETERS.search(name) or name in _SECRET_FIELDS]


def _fields(content: Any, inside: str) -> Iterator[str]:
    """Texts of secret fields, wherever they are."""
    if isinstance(content, dict):
        for name, value in content.items():
            if isinstance(value, str) and (name in _SECRET_FIELDS or (name == "value" and inside in _PERSONAL_VALUES)):
                yield value
            elif name in _SECRET_FIELDS and isinstance(value, list):
                yield from (each for each in value if isinstance(each, str))
            else:
                yield from _fields(value, name)
    elif isinstance(content, list):
        for each in content:
            yield from _fields(each, inside)


def shapes_of(found: set[str]) -> str:
    """What was found, so that it can be looked for in the test; values of tests are nobody's."""
    return ", ".join(sorted(found)[:5])


def leaked(text: str) -> set[str]:
    """What of everything sent so far is in a text that was printed, logged or counted."""
    return CANARIES & words_of(text)
