"""How every page leaves: our template, our own files only, no frame around it."""

from typing import Any

from flask import Response, render_template, request

from idlegrid_server.web.access import services
from idlegrid_server.web.problem import TITLES, Refusal

CSP = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
MACHINES = ("/api/", "/rpc/", "/files/", "/healthz")


def page(template: str, status: int = 200, **values: Any) -> Response:
    """The rendered page."""
    text = render_template(template, project=services().config.project.name, **values)
    response = Response(text, status, content_type="text/html; charset=utf-8")
    response.headers.update(HEADERS)
    return response


def wants_page() -> bool:
    """Whether a browser asks for one of the pages, so that an error should be one too."""
    return not request.path.startswith(MACHINES) and "text/html" in request.headers.get(
        "Accept", ""
    )


def error_page(refusal: Refusal) -> Response:
    """A refusal as a page."""
    response = page(
        "error.html",
        refusal.status,
        heading=TITLES.get(refusal.status, "Not possible"),
        detail=refusal.detail,
    )
    for name, value in refusal.headers.items():
        response.headers[name] = value
    return response
