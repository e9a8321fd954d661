"""A browser without script for the login pages: follows redirects, keeps cookies, fills in forms by their labels.

It does what the HTML says and no more: a field without a label, a form without a button or a page without a language cannot
be used, so that a page that works here works for a screen reader.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import httpx

ORIGIN = "http://127.0.0.1:8000"


@dataclass
class Field:
    id: str
    name: str
    kind: str
    value: str
    label: str = ""


class Page(HTMLParser):
    """What is on a page: its title, texts, fields with their labels, and buttons in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.language = self.title = self.heading = self.message = ""
        self.fields: list[Field] = []
        self.buttons: list[tuple[str, str, str]] = []
        self.scripts = 0
        self.text = ""
        self._labels: dict[str, str] = {}
        self._open: list[tuple[str, dict[str, str]]] = []
        self.feed(text)
        for each in self.fields:
            each.label = self._labels.get(each.id, "").strip()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.scripts += tag == "script" or any(name.startswith("on") for name in given)
        if tag == "html":
            self.language = given.get("lang", "")
        if tag == "input":
            kind = given.get("type", "text")
            self.fields.append(Field(given.get("id", ""), given["name"], kind, given.get("value", "")))
        if tag == "button":
            self.buttons.append((given["name"], given["value"], given.get("class", "")))
        if tag not in ("input", "meta", "link"):
            self._open.append((tag, given))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        self.text += data
        if not self._open:
            return
        tag, given = self._open[-1]
        if tag == "label":
            self._labels[given["for"]] = self._labels.get(given["for"], "") + data
        elif tag == "title":
            self.title += data
        elif tag == "h1":
            self.heading += data
        elif given.get("role") == "alert":
            self.message += data


@dataclass
class Browser:
    """One person's browser. `went` is where it was sent outside of the server, when it was."""

    http: httpx.AsyncClient
    origin: str = ORIGIN
    page: Page = field(default_factory=lambda: Page(""))
    address: str = ""
    went: str | None = None
    answer: httpx.Response = field(default_factory=lambda: httpx.Response(204))

    async def go(self, address: str) -> Browser:
        return await self._follow(await self.http.get(address), address)

    async def fill(self, action: str | None = None, **by_name: str) -> Browser:
        """Fill in fields by name, press the first button (what the enter key does) or the one with this value."""
        visible = [each for each in self.page.fields if each.kind != "hidden"]
        assert all(each.label for each in visible), "a field without a label"
        assert set(by_name) <= {each.name for each in visible}, (by_name, visible)
        form = {each.name: each.value for each in self.page.fields if each.kind == "hidden"}
        form |= by_name
        name, value, _ = next(button for button in self.page.buttons if action in (None, button[1]))
        return await self._follow(await self.http.post(self.address, data={**form, name: value}), self.address)

    async def _follow(self, answer: httpx.Response, address: str) -> Browser:
        self.went = None
        for _ in range(5):
            self.answer, self.address = answer, address
            if answer.status_code != 303:
                break
            address = urljoin(address, answer.headers["location"])
            if f"{urlsplit(address).scheme}://{urlsplit(address).netloc}" != self.origin:
                self.went = address
                return self
            answer = await self.http.get(address)
        self.page = Page(answer.text)
        return self
