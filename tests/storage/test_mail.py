"""Letters over real SMTP connections, and into a folder."""

from __future__ import annotations

import asyncio
import stat
from email import message_from_bytes, policy
from pathlib import Path

import aiosmtplib
import pytest
from aiosmtpd.smtp import SMTP

from domain.accounts.ports import Letter
from storage import mail
from storage.mail import Post, by_smtp, into_folder, message_of
from tests.api.v1.clinic import Mailbox

LETTER = Letter("ana@example.org", "Your request", "Zo\u00eb, choose a password:\nhttps://front/x#token\n")


async def served(mailbox: Mailbox) -> tuple[asyncio.Server, int]:
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(mailbox), "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


async def test_a_letter_arrives_with_subject_and_text_as_written() -> None:
    mailbox, failures = Mailbox(), list[str]()
    server, port = await served(mailbox)
    post = Post(by_smtp(f"smtp+insecure://127.0.0.1:{port}"), "clinic@example.org", failures.append)
    post.post(LETTER)
    letter = await mailbox.letter_to("ana@example.org")
    await post.close()
    server.close()
    assert (letter["From"], letter["Subject"]) == ("clinic@example.org", "Your request")
    assert letter.get_content().replace("\r\n", "\n") == LETTER.text
    assert failures == []


async def test_a_server_without_tls_is_not_spoken_to_in_clear() -> None:
    mailbox = Mailbox()
    server, port = await served(mailbox)
    with pytest.raises(aiosmtplib.SMTPException):
        await by_smtp(f"smtp://127.0.0.1:{port}")(message_of(LETTER, "clinic@example.org"))
    server.close()
    assert mailbox.letters == []


async def test_a_letter_is_tried_again_until_the_server_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "FIRST_PAUSE_SECONDS", 0.01)
    tries = 0

    async def deliver(_: object) -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise ConnectionRefusedError

    failures: list[str] = []
    post = Post(deliver, "clinic@example.org", failures.append)
    post.post(LETTER)
    await post.close()
    assert (tries, failures) == (3, [])


async def test_a_letter_that_cannot_be_delivered_is_reported_without_a_word_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mail, "FIRST_PAUSE_SECONDS", 0.0)

    async def deliver(_: object) -> None:
        raise ConnectionRefusedError(LETTER.to)

    failures: list[str] = []
    post = Post(deliver, "clinic@example.org", failures.append)
    post.post(LETTER)
    await post.close()
    assert failures == ["ConnectionRefusedError"]


async def test_without_a_server_letters_are_files_for_their_owner_alone(tmp_path: Path) -> None:
    post = Post(into_folder(tmp_path / "mail"), "clinic@example.org", pytest.fail)
    for _ in range(3):
        post.post(LETTER)
    await post.close()
    files = list((tmp_path / "mail").glob("*.eml"))
    assert len(files) == 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert message_from_bytes(files[0].read_bytes(), policy=policy.default)["To"] == "ana@example.org"


@pytest.mark.parametrize("address", ["a@b.example\r\nBcc: c@d.example", "a@b.example\nX: y"])
def test_an_address_cannot_bring_headers_along(address: str) -> None:
    with pytest.raises(ValueError):
        message_of(Letter(address, "s", "t"), "clinic@example.org")


def test_a_letter_shows_nothing_in_a_repr() -> None:
    assert repr(LETTER) == "Letter(…)"
