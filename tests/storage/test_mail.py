"""Letters over real SMTP connections, and into a folder."""

from __future__ import annotations

import asyncio
import stat
from email import message_from_bytes, policy
from pathlib import Path

import aiosmtplib
import msgspec
import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from domain.accounts.ports import Letter
from domain.outbox import Parcel, Undeliverable
from storage.mail import NOBODY, MailCarrier, by_smtp, into_folder, message_of
from tests.api.v1.clinic import Mailbox

LETTER = Letter("ana@example.org", "Your request", "Zo\u00eb, choose a password:\nhttps://front/x#token\n")


def parcel(letter: Letter = LETTER, name: str = "p1") -> Parcel:
    return Parcel(id=name, channel="mail", kind="letter", content=msgspec.msgpack.encode(letter))


class Refusing(Mailbox):
    """Refuses every address with the same answer."""

    def __init__(self, answer: str) -> None:
        super().__init__()
        self._answer = answer

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        return self._answer


async def served(mailbox: Mailbox) -> tuple[asyncio.Server, str]:
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(mailbox), "127.0.0.1", 0)
    return server, f"smtp+insecure://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_letter_arrives_with_subject_and_text_as_written_and_the_name_of_its_parcel() -> None:
    mailbox = Mailbox()
    server, url = await served(mailbox)
    carry = MailCarrier(by_smtp(url), "clinic@example.org")
    assert await carry(parcel()) == "taken"
    letter = await mailbox.letter_to("ana@example.org")
    assert (letter["From"], letter["Subject"]) == ("clinic@example.org", "Your request")
    assert letter["Message-ID"] == "<p1@example.org>"
    assert letter.get_content().replace("\r\n", "\n") == LETTER.text
    await carry(parcel())
    assert (await mailbox.letter_to("ana@example.org"))["Message-ID"] == "<p1@example.org>"
    server.close()


async def test_a_server_without_tls_is_not_spoken_to_in_clear() -> None:
    mailbox = Mailbox()
    server, url = await served(mailbox)
    with pytest.raises(aiosmtplib.SMTPException):
        await by_smtp(url.replace("+insecure", ""))(message_of(LETTER, "clinic@example.org", "p1"))
    server.close()
    assert mailbox.letters == []


@pytest.mark.parametrize(("answer", "final"), [("550 No such user", True), ("451 Try again later", False)])
async def test_an_address_that_is_refused_for_good_is_not_tried_again(answer: str, final: bool) -> None:
    server, url = await served(Refusing(answer))
    with pytest.raises(Undeliverable) as refused:
        await MailCarrier(by_smtp(url), "clinic@example.org")(parcel())
    server.close()
    assert refused.value.final is final


async def test_a_server_that_is_away_is_said_in_a_word_without_one_of_the_letter() -> None:
    async def deliver(_: object) -> None:
        raise ConnectionRefusedError(LETTER.to)

    with pytest.raises(Undeliverable) as failed:
        await MailCarrier(deliver, "clinic@example.org")(parcel())
    assert (failed.value.said, failed.value.final) == ("ConnectionRefusedError", False)


async def test_what_is_for_nobody_is_sent_to_nobody() -> None:
    async def deliver(_: object) -> None:
        pytest.fail("there is nobody to write to")

    assert await MailCarrier(deliver, "clinic@example.org")(parcel(NOBODY)) == "nobody"


async def test_without_a_server_letters_are_files_for_their_owner_alone(tmp_path: Path) -> None:
    carry = MailCarrier(into_folder(tmp_path / "mail"), "clinic@example.org")
    for number in range(3):
        await carry(parcel(name=f"p{number}"))
    files = list((tmp_path / "mail").glob("*.eml"))
    assert len(files) == 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert message_from_bytes(files[0].read_bytes(), policy=policy.default)["To"] == "ana@example.org"


@pytest.mark.parametrize("address", ["a@b.example\r\nBcc: c@d.example", "a@b.example\nX: y"])
async def test_an_address_cannot_bring_headers_along(address: str) -> None:
    with pytest.raises(ValueError):
        message_of(Letter(address, "s", "t"), "clinic@example.org", "p1")
    with pytest.raises(Undeliverable) as refused:
        await MailCarrier(into_folder(Path("/nowhere")), "clinic@example.org")(parcel(Letter(address, "s", "t")))
    assert refused.value.final


def test_a_letter_shows_nothing_in_a_repr() -> None:
    assert repr(LETTER) == "Letter(…)"
