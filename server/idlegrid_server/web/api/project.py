"""GET /project: what anybody may know."""

from flask import Response

from idlegrid_server.store.sql.batch import BATCH_COUNTS
from idlegrid_server.store.sql.host import HOST_COUNTS
from idlegrid_server.web.access import services

from .reply import ProjectReply
from .route import PREFIX, Routes, reply

DAY_US = 86_400 * 1_000_000
routes = Routes("project")


@routes.add("GET", "/project", access="public", summary="The project in public", reply=ProjectReply)
def show_project() -> Response:
    """Name, address, fingerprint, and how much goes on."""
    with_ = services()
    with with_.store.reading() as db:
        hosts = db.fetch_all(HOST_COUNTS, since=with_.clock() - DAY_US)
        batches = db.fetch_all(BATCH_COUNTS)
    url = with_.address()
    return reply(
        ProjectReply(
            name=with_.config.project.name,
            url=url,
            root=with_.keys.root_public,
            fingerprint=with_.fingerprint,
            join_link=with_.join_link,
            api=url + PREFIX,
            hosts_seen_today=sum(seen for _, _, seen, _ in hosts),
            tasks_in_progress=sum(busy for _, _, _, busy in hosts),
            batches=dict(batches),
        )
    )
