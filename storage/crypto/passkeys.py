"""Passkeys: WebAuthn ceremonies of one site, https://www.w3.org/TR/webauthn-3/

User verification is always required: a passkey here is two factors in one (something one has, and a finger or a PIN). The
site is the host of the base URL, the origin must be equal to one of those configured, character by character.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
import webauthn
from webauthn.helpers import base64url_to_bytes, options_to_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from domain.accounts.account import Account, Passkey
from domain.accounts.ports import Ceremony
from domain.errors import Unauthenticated

_REQUIRED = UserVerificationRequirement.REQUIRED


class WebPasskeys:
    """`domain.accounts.ports.Passkeys` for `site` (a host), answering to pages of `origins`."""

    def __init__(self, *, site: str, origins: Sequence[str], name: str = "Chartvault") -> None:
        self._site = site
        self._origins = list(origins)
        self._name = name

    def registration(self, account: Account, existing: Sequence[Passkey]) -> Ceremony:
        """See `domain.accounts.ports.Passkeys`. An authenticator that holds a passkey already is left out."""
        options = webauthn.generate_registration_options(
            rp_id=self._site,
            rp_name=self._name,
            user_id=account.id.encode(),
            user_name=account.email,
            user_display_name=f"{account.first_name} {account.last_name}".strip(),
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.PREFERRED, user_verification=_REQUIRED
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=each.id) for each in existing],
        )
        return Ceremony(options_to_json(options), options.challenge)

    def registered(self, answer: bytes, challenge: bytes, *, label: str, now: datetime) -> Passkey:
        try:
            made = webauthn.verify_registration_response(
                credential=answer.decode(),
                expected_challenge=challenge,
                expected_rp_id=self._site,
                expected_origin=self._origins,
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError, KeyError, TypeError):
            raise _refused() from None
        return Passkey(made.credential_id, made.credential_public_key, made.sign_count, label, now)

    def assertion(self, allowed: Sequence[Passkey]) -> Ceremony:
        options = webauthn.generate_authentication_options(
            rp_id=self._site,
            allow_credentials=[PublicKeyCredentialDescriptor(id=each.id) for each in allowed],
            user_verification=_REQUIRED,
        )
        return Ceremony(options_to_json(options), options.challenge)

    def credential_id(self, answer: bytes) -> bytes:
        try:
            return base64url_to_bytes(msgspec.json.decode(answer, type=_Named).rawId)
        except (msgspec.MsgspecError, ValueError):
            raise _refused() from None

    def asserted(self, answer: bytes, challenge: bytes, passkey: Passkey) -> Passkey:
        """See `domain.accounts.ports.Passkeys.asserted`."""
        try:
            used = webauthn.verify_authentication_response(
                credential=answer.decode(),
                expected_challenge=challenge,
                expected_rp_id=self._site,
                expected_origin=self._origins,
                credential_public_key=passkey.public_key,
                credential_current_sign_count=passkey.sign_count,
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError, KeyError, TypeError):
            raise _refused() from None
        return msgspec.structs.replace(passkey, sign_count=used.new_sign_count)


class _Named(msgspec.Struct):
    rawId: str


def _refused() -> Unauthenticated:
    return Unauthenticated("The passkey was not accepted", reason="passkey_refused")
