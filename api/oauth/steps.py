"""The steps of a login: who it is, which patient, and whether they agree.

Proving who one is happens where every login does (`domain/accounts/signing_in.py`); here it gets a page. A step that does not
succeed leaves the login where it was, with a message for the next page.
"""

from __future__ import annotations

from typing import NamedTuple

from msgspec.structs import replace

from api.oauth.codes import Approval, new_code
from api.oauth.errors import OAuthError
from api.oauth.patients import chosen, patients_of
from api.oauth.pending import Pending, Progress, device_of
from api.oauth.service import Service
from api.oauth.visit import Visit
from domain.accounts.second_factors import Proof
from domain.accounts.signing_in import Place, SecondFactorRequired, SignedIn, WrongLogin, go_on, sign_in
from domain.errors import Forbidden, Throttled

_LABEL_CHARACTERS = 200


class Stepped(NamedTuple):
    """Where a login has come to, and the device cookie to set, if it succeeded."""

    pending: Pending
    device: str | None = None

    def __repr__(self) -> str:
        return f"Stepped({self.pending.stage})"


async def step(service: Service, visit: Visit, pending: Pending) -> Stepped:
    """One step forward, or the same page again with a message."""
    pending = replace(pending, message=None)
    if pending.stage == "patient":
        return await _choose(service, visit, pending)
    visit.interaction = "login"
    try:
        signed_in = await _prove(service, visit, pending)
    except SecondFactorRequired as error:
        visit.subject, visit.outcome = error.account, 401
        return Stepped(_second_factor(pending, error))
    except WrongLogin as error:
        visit.subject, visit.outcome = error.account or visit.subject, 401
        return Stepped(replace(pending, message=f"{error.message}. Please try again."))
    except Throttled as error:
        visit.outcome = 429
        return Stepped(replace(pending, message=f"{error.message}."))
    except Forbidden as error:
        visit.outcome = 403
        return Stepped(replace(pending, message=f"{error.message}."))
    visit.subject = signed_in.account.id
    return Stepped(await _signed_in(service, visit, pending, signed_in), signed_in.device)


async def allowed(service: Service, visit: Visit, progress: Progress) -> str:
    """The code for what the person agreed to just now; the login has ended."""
    pending = progress.pending
    if visit.form.get("action") != "allow" or pending.account is None:
        raise OAuthError("invalid_request", "Choose whether to allow this.")
    await progress.finish(service)
    request = pending.request
    browser = (visit.header(b"user-agent") or "")[:_LABEL_CHARACTERS]
    visit.patients = (pending.patient.id,) if pending.patient else ()
    return await new_code(
        service,
        Approval(
            client=request.client,
            redirect_uri=request.redirect_uri,
            challenge=request.challenge,
            scope=request.scope,
            account=pending.account,
            authenticated_at=pending.authenticated_at,
            second_factor_at=pending.second_factor_at,
            patient=pending.patient.id if pending.patient else None,
            nonce=request.nonce,
            label=f"{request.client_name}; {browser}" if browser else request.client_name,
        ),
    )


async def _prove(service: Service, visit: Visit, pending: Pending) -> SignedIn:
    form, place = visit.form, Place(visit.network, device_of(visit))
    if pending.stage == "second-factor" and pending.ticket is not None:
        recovery = form.get("recovery")
        proof = Proof(recovery=recovery) if recovery else Proof(code=form.get("code", "").replace(" ", ""))
        return await go_on(service.people, pending.ticket, proof, place=place)
    return await sign_in(service.people, form.get("email", ""), form.get("password", ""), place=place)


def _second_factor(pending: Pending, error: SecondFactorRequired) -> Pending:
    if "totp" in error.ways:
        return replace(pending, stage="second-factor", ticket=error.ticket, recovery="recovery" in error.ways)
    text = (
        "This account logs in with a second factor: a code from an authenticator app. Set one up first, then come back."
    )
    return replace(pending, message=text)


async def _signed_in(service: Service, visit: Visit, pending: Pending, signed_in: SignedIn) -> Pending:
    pending = replace(
        pending,
        stage="consent",
        ticket=None,
        account=signed_in.account.id,
        authenticated_at=signed_in.authenticated_at,
        second_factor_at=signed_in.second_factor_at,
    )
    if not pending.request.needs_patient:
        return pending
    choices = await patients_of(service, visit, pending)
    if len(choices) == 1:
        return replace(pending, patient=choices[0])
    return replace(pending, stage="patient", choices=choices)


async def _choose(service: Service, visit: Visit, pending: Pending) -> Stepped:
    patient = await chosen(service, visit, pending, visit.form.get("patient", ""))
    if patient is None:
        visit.outcome = 404
        return Stepped(replace(pending, message="There is no such patient among those you may see."))
    visit.patients = (patient.id,)
    return Stepped(replace(pending, stage="consent", patient=patient))
