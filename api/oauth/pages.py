"""The pages people see: server-rendered, without script, usable by keyboard and screen reader alone.

Jinja escapes every value (https://jinja.palletsprojects.com/en/stable/api/#autoescaping). The policy forbids everything but
our style sheet and forms that lead here or, as the last step, back to the app: browsers check redirects of a form too
(https://www.w3.org/TR/CSP3/#directive-form-action).
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from api.fhir.exchange import Reply
from api.oauth.pending import Progress
from api.oauth.service import Service
from api.oauth.visit import Visit
from api.oauth.wording import sentences

_FOLDER = Path(__file__).parent / "templates"
_ENVIRONMENT = Environment(
    loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_STYLE = (_FOLDER / "style.css").read_bytes()
_HTML = "text/html; charset=utf-8"


def step_page(service: Service, progress: Progress) -> Reply:
    """The page of the step a login has come to."""
    pending = progress.pending
    request = pending.request
    return _page(
        service,
        f"{pending.stage}.html",
        request.redirect_uri,
        app=request.client_name,
        pending=pending,
        csrf=progress.csrf,
        sentences=sentences(request.scope),
        goes_to=urlsplit(request.redirect_uri).hostname or request.redirect_uri,
    )


def problem_page(service: Service, description: str, status: int) -> Reply:
    """Why it does not go on."""
    reply = _page(service, "problem.html", None, description=description)
    reply.status = status
    return reply


async def style(service: Service, visit: Visit) -> Reply:
    """GET /oauth/style.css"""
    return Reply(200, {"content-type": "text/css; charset=utf-8"}, _STYLE)


def _page(service: Service, template: str, leads_to: str | None, **values: object) -> Reply:
    body = _ENVIRONMENT.get_template(template).render(style=service.url("style.css"), **values)
    headers = {
        "content-type": _HTML,
        "content-security-policy": _policy(leads_to),
        "referrer-policy": "no-referrer",
        "x-frame-options": "DENY",
    }
    return Reply(200, headers, body.encode())


def _policy(leads_to: str | None) -> str:
    """https://www.w3.org/TR/CSP3/"""
    target = ""
    if leads_to is not None:
        url = urlsplit(leads_to)
        target = f" {url.scheme}://{url.netloc}" if url.scheme in ("https", "http") else f" {url.scheme}:"
    return f"default-src 'none'; style-src 'self'; form-action 'self'{target}; frame-ancestors 'none'; base-uri 'none'"
