"""One's own mail address verified again and changed: `/api/v1/auth/verify-email/resend`, `/api/v1/auth/email/*`."""

from __future__ import annotations

from api.v1.endpoint import NOTHING, Endpoint, Form, Outcome, Visit
from api.v1.forms import Email, Password
from api.v1.login_forms import EmailForm, TokenForm
from api.v1.passwords import evenly
from api.v1.service import Service
from domain.accounts import addresses
from domain.accounts.managing import own


class NewAddress(Form, frozen=True, kw_only=True):
    """The password proves that it is the owner who asks."""

    password: Password
    new_email: Email


async def sent_again(service: Service, visit: Visit, body: EmailForm) -> Outcome:
    """Ask for the letter that confirms an address once more; the answer is the same for every address"""
    account = await evenly(addresses.verify_again(service.people, body.email))
    if account is not None:
        visit.concerns(f"User/{account}")
    return Outcome(status=202)


async def asked(service: Service, visit: Visit, body: NewAddress) -> Outcome:
    """Ask for another address: it counts when the letter sent there is answered"""
    account = await own(service.people, visit.caller)
    visit.concerns(f"User/{account.id}")
    await addresses.ask_change(service.people, visit.caller, account, body.password, body.new_email)
    return Outcome(status=202)


async def confirmed(service: Service, visit: Visit, body: TokenForm) -> Outcome:
    """Confirm the new address with the token of the letter; the old one is told"""
    account = await addresses.change(service.people, body.token)
    visit.concerns(f"User/{account.id}")
    return NOTHING


ENDPOINTS = (
    Endpoint("POST", "/auth/verify-email/resend", "verify-email-again", sent_again, status=202, public=True),
    Endpoint("POST", "/auth/email/change", "email-change", asked, status=202, refuses=(401, 429)),
    Endpoint("POST", "/auth/email/confirm", "email-confirm", confirmed, status=204, public=True, refuses=(409, 410)),
)
