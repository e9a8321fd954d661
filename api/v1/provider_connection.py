"""Where the records of a patient are kept as well: `/patients/{id}/provider-connection` of PRODUCT 2.11, Sync.

What proves who we are is written and never shown. An update that leaves the secret out keeps it as long as endpoint, name and
token address stay the same.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal

from msgspec import Meta

from api.v1.chart import patient_of
from api.v1.endpoint import Endpoint, Form, Outcome, View, Visit
from api.v1.forms import Reference
from api.v1.kept import gone, wanted_version
from api.v1.occasions import asked
from api.v1.service import Service
from domain.clinic import provider_connection, provider_pushing
from domain.clinic.provider_connection import Providing
from domain.clinic.provider_ports import Auth, AuthKind, Cause, Connection
from domain.clinic.provider_wishes import TAKEN, Taken, Wish
from domain.clinic.sync_troubles import ADVICE
from domain.interactions.parts import Answer
from fhir_mapping.friendly.elements import named
from fhir_mapping.friendly.provider_connection import ProviderConnections

PATH = "/patients/{id}/provider-connection"
RECORDS = ProviderConnections()
Url = Annotated[str, Meta(min_length=8, max_length=1_000)]
Secret = Annotated[str, Meta(min_length=1, max_length=4_000)]


class AuthFields(Form, frozen=True, kw_only=True):
    """BASIC takes `name` and `secret`, BEARER a token as `secret`, CLIENT_CREDENTIALS (OAuth 2.0) a client's `name` and
    `secret`, `tokenUrl`, and the `scope` to ask for. The secret is never shown."""

    kind: AuthKind = "NONE"
    name: Annotated[str, Meta(max_length=200)] = ""
    secret: Secret | None = None
    token_url: Annotated[str, Meta(max_length=1_000)] = ""
    scope: Annotated[str, Meta(max_length=1_000)] = ""


class ConnectionFields(Form, frozen=True, kw_only=True):
    """`endpoint` is the FHIR base of the provider, `remotePatientId` the patient's id there. Without an interval nothing is
    synchronised by itself."""

    name: Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f<>]*[^\x00-\x20\x7f<>]$")]
    endpoint: Url
    remote_patient_id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9\-.]{1,64}$")]
    auth: AuthFields = AuthFields()
    sync_interval_minutes: Annotated[int, Meta(ge=15, le=60 * 24 * 366)] | None = 60 * 24
    types: Annotated[tuple[Taken, ...], Meta(min_length=1, max_length=50)] = TAKEN

    def wish(self) -> Wish:
        """As the rules understand it."""
        auth = self.auth
        every = self.sync_interval_minutes
        return Wish(
            name=self.name,
            base=self.endpoint,
            remote_patient=self.remote_patient_id,
            auth=Auth(
                kind=auth.kind, name=auth.name, secret=auth.secret or "", token_url=auth.token_url, scope=auth.scope
            ),
            every=None if every is None else timedelta(minutes=every),
            types=self.types,
        )


class AuthView(View, frozen=True, kw_only=True):
    """How we prove who we are, but for the secret."""

    kind: AuthKind
    name: str
    token_url: str
    scope: str


class ProviderView(View, frozen=True, kw_only=True):
    """The provider, as an Organization."""

    id: str
    name: str


class ConnectionView(View, frozen=True, kw_only=True):
    """A connection with a provider."""

    id: str
    version: int
    updated_at: datetime | None
    patient_id: str
    provider: ProviderView
    endpoint: str
    remote_patient_id: str
    auth: AuthView
    sync_interval_minutes: int | None
    types: tuple[str, ...]


class TroubleView(View, frozen=True, kw_only=True):
    """What does not work, what to do about it, and whether trying again may help."""

    code: Cause
    detail: str
    troubleshooting: tuple[str, ...]
    retryable: bool


class TrialView(View, frozen=True, kw_only=True):
    """`ok`: the provider is reached, lets us in, speaks FHIR R4 and knows the patient. It gives nothing of `missingTypes`."""

    ok: bool
    troubles: tuple[TroubleView, ...]
    missing_types: tuple[str, ...]


class PushWanted(Form, frozen=True, kw_only=True):
    """A resource that came from the provider, or the Patient, as it is here now: `{"resource": "Observation/3"}`."""

    resource: Reference


class PushView(View, frozen=True, kw_only=True):
    """A change on its way to the provider. What came of it is in the log, and told to who asked."""

    resource: str
    status: Literal["REQUESTED"]


async def shown(service: Service, visit: Visit) -> Outcome:
    """The provider a patient is connected with"""
    occasion = await asked(service, visit, "provider-connection-read")
    found = await provider_connection.shown(service.parts, _providing(service), occasion, patient_of(visit))
    return Outcome(_view(found), version=found.version)


async def connected(service: Service, visit: Visit, body: ConnectionFields) -> Outcome:
    """Connect a patient with their provider, or change how; their records come by themselves"""
    occasion = await asked(service, visit, "provider-connection-update")
    made, answer = await provider_connection.connected(
        service.parts, _providing(service), occasion, patient_of(visit), body.wish(),
        if_match=wanted_version(service, visit),
    )  # fmt: skip
    return _recorded(visit, answer, Outcome(_view(made), version=made.version))


async def disconnected(service: Service, visit: Visit) -> Outcome:
    """Forget the provider and everything secret; what came from there stays"""
    occasion = await asked(service, visit, "provider-connection-delete")
    answer = await provider_connection.disconnected(
        service.parts, _providing(service), occasion, patient_of(visit), if_match=wanted_version(service, visit)
    )
    return gone(visit, answer)


async def tried(service: Service, visit: Visit) -> Outcome:
    """Ask the provider whether it lets us in and knows the patient, and say what to do if not"""
    occasion = await asked(service, visit, "provider-connection-test")
    trial = await provider_connection.tried(service.parts, _providing(service), occasion, patient_of(visit))
    troubles = tuple(
        TroubleView(code=cause, detail=advice.detail, troubleshooting=advice.steps, retryable=advice.retryable)
        for cause in trial.causes
        for advice in (ADVICE[cause],)
    )
    return Outcome(TrialView(ok=not troubles, troubles=troubles, missing_types=trial.missing))


async def pushed(service: Service, visit: Visit, body: PushWanted) -> Outcome:
    """Tell the provider again of a change that did not reach it"""
    occasion, patient = await asked(service, visit, "provider-connection-push"), patient_of(visit)
    key = named(body.resource, "resource")
    visit.concerns(str(key))
    answer = await provider_pushing.again(
        service.parts, service.sync.connections, service.telling.outbox, occasion, patient, key
    )
    visit.concerns(*answer.targets)
    return Outcome(PushView(resource=str(key), status="REQUESTED"), 202)


def _providing(service: Service) -> Providing:
    return Providing(service.sync.connections, service.sync.remotes, RECORDS)


def _recorded(visit: Visit, answer: Answer, outcome: Outcome) -> Outcome:
    visit.concerns(*answer.targets)
    outcome.recorded = answer.recorded
    return outcome


def _view(found: Connection) -> ConnectionView:
    auth = found.auth
    return ConnectionView(
        id=found.id,
        version=found.version,
        updated_at=found.updated,
        patient_id=found.patient,
        provider=ProviderView(id=RECORDS.organization_of(found), name=found.name),
        endpoint=found.base,
        remote_patient_id=found.remote_patient,
        auth=AuthView(kind=auth.kind, name=auth.name, token_url=auth.token_url, scope=auth.scope),
        sync_interval_minutes=None if found.every is None else int(found.every.total_seconds()) // 60,
        types=found.types,
    )


ENDPOINTS = (
    Endpoint("GET", PATH, "provider-connection-read", shown, answers=ConnectionView),
    Endpoint("PUT", PATH, "provider-connection-update", connected, answers=ConnectionView),
    Endpoint("DELETE", PATH, "provider-connection-delete", disconnected, status=204),
    Endpoint("POST", PATH + "/test", "provider-connection-test", tried, answers=TrialView),
    Endpoint("POST", PATH + "/push", "provider-connection-push", pushed, answers=PushView, status=202, refuses=(409,)),
)
