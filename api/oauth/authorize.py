"""The authorization endpoint: an app's request becomes a login, page by page, and a code in the end.

Every form is answered by a redirect (post, redirect, get), so that going back or reloading never sends anything twice. What
somebody proves and chooses is in `steps.py`.
"""

from __future__ import annotations

from api.fhir.exchange import Reply
from api.oauth.errors import OAuthError
from api.oauth.pages import problem_page, step_page
from api.oauth.pending import Progress, begin, device_cookie, login_cookie, require_form, under_way
from api.oauth.requests import Refused, checked_request, redirect, refusal, requesting_client
from api.oauth.service import Service
from api.oauth.steps import Stepped, allowed, step
from api.oauth.visit import Visit


async def show(service: Service, visit: Visit) -> Reply:
    """GET /oauth/authorize begins, GET /oauth/authorize/{id} shows the page a login has come to."""
    try:
        if len(visit.segments) == 1:
            return await _begun(service, visit, visit.query)
        return step_page(service, await under_way(service, visit, visit.segments[1]))
    except OAuthError as error:
        return problem_page(service, error.description, error.status)


async def act(service: Service, visit: Visit) -> Reply:
    """POST /oauth/authorize begins as GET does; POST /oauth/authorize/{id} takes one step."""
    try:
        if len(visit.segments) == 1:
            return await _begun(service, visit, visit.form)
        progress = await under_way(service, visit, visit.segments[1])
        require_form(visit, progress)
        return await _answered(service, visit, progress)
    except OAuthError as error:
        return problem_page(service, error.description, error.status)


async def _begun(service: Service, visit: Visit, fields: dict[str, str]) -> Reply:
    client = await requesting_client(service, fields)
    visit.client = client.id
    try:
        progress = await begin(service, checked_request(service, client, fields))
    except Refused as refused:
        visit.outcome = 400
        return refusal(service, refused)
    reply = _to_page(service, progress)
    reply.headers["set-cookie"] = login_cookie(service, progress)
    return reply


async def _answered(service: Service, visit: Visit, progress: Progress) -> Reply:
    request = progress.pending.request
    if visit.form.get("action") == "cancel":
        await progress.finish(service)
        visit.outcome = 403
        return redirect(service, request.redirect_uri, request.state, error="access_denied")
    if progress.pending.stage == "consent":
        code = await allowed(service, visit, progress)
        return redirect(service, request.redirect_uri, request.state, code=code)
    stepped: Stepped = await step(service, visit, progress.pending)
    await progress.move(service, stepped.pending)
    reply = _to_page(service, progress)
    if stepped.device is not None:
        reply.headers["set-cookie"] = device_cookie(service, stepped.device)
    return reply


def _to_page(service: Service, progress: Progress) -> Reply:
    return Reply(303, {"location": service.url(f"authorize/{progress.id}")})
