"""GET /rpc/v1/project: all that a stranger needs to join."""

from flask import Blueprint, Response

from idlegrid_server.scheduler.trust import NoDelegations
from idlegrid_server.web.access import access, services
from idlegrid_server.web.answer import answer
from idlegrid_server.web.problem import Refusal
from idlegrid_shared.wire import PROTOCOL, ProjectInfo


def no_delegations() -> Refusal:
    """503: root must sign first."""
    return Refusal(
        503,
        "no_delegations",
        "The project is not ready: its root key has signed no delegations yet.",
        retry_after_s=60,
    )


@access("public")
def show_project() -> Response:
    """Name, keys and the signed word of the project."""
    with_ = services()
    try:
        trusted = with_.trust.current()
    except NoDelegations as error:
        raise no_delegations() from error
    return answer(
        ProjectInfo(
            protocol=PROTOCOL,
            name=with_.config.project.name,
            url=with_.address(),
            root=with_.keys.root_public,
            fingerprint=with_.fingerprint,
            delegations=trusted.signed_delegations,
            timestamp=trusted.timestamp,
        )
    )


def register(blueprint: Blueprint) -> None:
    """Add the route."""
    blueprint.get("/project")(show_project)
