"""The pages: what they say, what they never let in."""

import hashlib
import re
from html.parser import HTMLParser

import pytest

from idlegrid_server.pipeline.passes import run_passes
from idlegrid_server.store import command as c
from idlegrid_server.store.sql.batch import BATCH_BY_ID
from idlegrid_server.web.site.picture import NIGHT_CELLS, night_map, unit_map
from idlegrid_server.web.site.progress import STATES, bar_segments, count_states
from idlegrid_shared.manifest import manifest_bytes
from idlegrid_shared.plot import parse_plot, render

from .world import Host, World, entry, result

PUBLIC = {"units": "0" * 64, "public": True}
HTML = {"Accept": "text/html"}


class Checker(HTMLParser):
    """Looks for what the strict policy would block."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "style" or name.startswith("on"):
                self.faults.append(f"<{tag} {name}=…>")
            if (
                name in ("src", "href")
                and value
                and re.match(r"(https?:)?//|data:|javascript:", value)
            ):
                self.faults.append(f"<{tag} {name}={value}>")
        self.script = tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if self.script and data.strip():
            self.faults.append(f"inline: {data[:40]}")

    def handle_endtag(self, tag: str) -> None:
        self.script = False


def page_of(world: World, path: str, status: int = 200) -> str:
    response = world.http.get(path, headers=HTML)
    assert response.status_code == status, response.text
    assert response.content_type == "text/html; charset=utf-8"
    policy = response.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    checker = Checker()
    checker.feed(response.text)
    assert checker.faults == []
    return response.text


def answered(world: World, batch: int) -> None:
    table = b"x,y\n1,2\n2,3\n3,1\n"
    plot = parse_plot({"file": "t.csv", "x": "x", "lines": [{"y": "y"}]})
    files = {"t.csv": table, "plot.svg": render(plot, {"t.csv": table}).svg.encode()}
    body = manifest_bytes([entry(name, data) for name, data in files.items()])
    with world.store.reading() as db:
        row = db.fetch_one(BATCH_BY_ID, batch_id=batch)
    assert row is not None
    world.store.execute(
        c.AddAnswer(
            now=world.clock(),
            batch_id=batch,
            version=row.version,
            revision=1,
            manifest=body,
            manifest_hash=hashlib.sha256(body).digest(),
            files=tuple(
                c.FileIn(hashlib.sha256(data).digest(), len(data), data) for data in files.values()
            ),
            detail='{"notes":["One unit was skipped."]}',
        )
    )


def test_the_project_page_tells_its_numbers(world: World) -> None:
    assert "No public batch yet" in page_of(world, "/")
    world.batch(4, spec=PUBLIC)
    host = Host(world)
    host.enrol()
    host.get_tasks(3)
    assert "No public batch yet" in page_of(world, "/"), "what many look at is kept for a moment"
    world.clock.pass_s(3)
    text = page_of(world, "/")
    assert "<b>1</b><span>computer in the last day" in text
    assert "<b>3</b><span>tasks being computed now" in text
    assert text.count('class="w-lit') == 3, "one lit cell for each task under way"
    assert "sky" in text


def test_the_join_page_shows_link_and_fingerprint(world: World) -> None:
    text = page_of(world, "/join")
    link = f"https://grid.example/join#root={world.services.fingerprint}"
    assert link in text
    assert f"idlegrid-client attach &#34;{link}&#34;" in text or f'attach "{link}"' in text


def test_a_public_batch_is_shown_with_every_unit(world: World) -> None:
    batch = world.batch(5, spec=PUBLIC)
    address = f"/b/{world.services.ids.encode('batch', batch)}"
    first, second = Host(world), Host(world)
    for host in (first, second):
        host.enrol()
        tasks = host.get_tasks(2)
        host.exchange(reports=tuple(result(task) for task in tasks))
    run_passes(world.store, world.files, world.clock)
    first.get_tasks(1)
    text = page_of(world, address)
    assert "<h1>sky</h1>" in text
    assert "2 of 5 work units agree; 3 are under way." in text
    assert "<b>2</b> valid" in text
    assert "<b>1</b> out, computing" in text
    assert "<b>2</b> waiting" in text
    assert "live.js" in text


def test_an_answer_with_its_plot_and_files(world: World) -> None:
    batch = world.batch(1, spec=PUBLIC)
    address = f"/b/{world.services.ids.encode('batch', batch)}"
    answered(world, batch)
    text = page_of(world, address)
    assert f'src="{address}/plot.svg"' in text
    assert "One unit was skipped." in text
    plot = world.http.get(f"{address}/plot.svg")
    assert plot.content_type.startswith("image/svg+xml")
    assert "sandbox" in plot.headers["Content-Security-Policy"]
    table = world.http.get(f"{address}/files/t.csv")
    assert table.data.startswith(b"x,y")
    assert table.headers["Content-Disposition"].startswith("attachment")
    assert world.http.get(f"{address}/files/none").status_code == 404


def test_a_private_batch_does_not_exist(world: World) -> None:
    batch = world.batch(1)
    answered(world, batch)
    address = f"/b/{world.services.ids.encode('batch', batch)}"
    for path in ("", "/plot.svg", "/files/t.csv"):
        assert world.http.get(address + path).status_code == 404
    assert "sky" not in page_of(world, "/").split("<main")[1]
    assert "Not found" in page_of(world, address, 404)
    assert "Not found" in page_of(world, "/b/batch_nonsense", 404)


def test_names_from_strangers_are_written_as_text(world: World) -> None:
    batch = world.batch(1, name='"><script>alert(1)</script>', spec=PUBLIC)
    for path in ("/", f"/b/{world.services.ids.encode('batch', batch)}"):
        text = page_of(world, path)
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert(1)" in text


def test_our_own_files_are_served_and_no_others(world: World) -> None:
    for name in ("idlegrid.css", "site.css", "live.js", "signin.js", "icons/running.svg"):
        assert world.http.get(f"/static/{name}", buffered=True).status_code == 200
    for name in ("../app.py", "..%2fapp.py", "/etc/passwd", "none"):
        assert world.http.get(f"/static/{name}").status_code == 404
    sheet = world.http.get("/static/idlegrid.css", buffered=True).text
    assert "url(" not in sheet.replace("url(#weave)", ""), "nothing is asked for that is not there"


def signin_form(world: World) -> dict[str, str]:
    text = page_of(world, "/signin")
    found = re.search(r'name="form_token" value="([0-9a-f]+)"', text)
    assert found is not None
    return {
        "form_token": found[1],
        "password": "four words are good",
        "again": "four words are good",
    }


def test_the_first_link_sets_a_password_once(world: World) -> None:
    code = world.token(world.admin, "signin", single_use=True)
    form = {**signin_form(world), "code": code}
    response = world.http.post("/signin", data=form, headers=HTML)
    assert response.status_code == 200, response.text
    assert "Your password is set" in response.text
    told = world.http.post(
        "/api/v1/session", json={"email": "admin@example.org", "password": form["password"]}
    )
    assert told.status_code == 201
    again = world.http.post("/signin", data=form, headers=HTML)
    assert again.status_code == 422
    assert "used already" in again.text


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"form_token": "0" * 48}, 403, "is not ours"),
        ({"again": "something else"}, 422, "differ"),
        ({"password": "short", "again": "short"}, 422, "10 to 200"),
        ({"code": "igt_wrong"}, 422, "used already, or has ended"),
    ],
)
def test_a_bad_form_says_why_and_spends_nothing(
    world: World, changes: dict[str, str], status: int, words: str
) -> None:
    code = world.token(world.admin, "signin", single_use=True)
    form = {**signin_form(world), "code": code}
    response = world.http.post("/signin", data={**form, **changes}, headers=HTML)
    assert response.status_code == status
    assert words in response.text
    assert world.http.post("/signin", data=form, headers=HTML).status_code == 200


def test_a_form_from_elsewhere_is_refused(world: World) -> None:
    code = world.token(world.admin, "signin", single_use=True)
    form = {**signin_form(world), "code": code}
    headers = {**HTML, "Sec-Fetch-Site": "cross-site"}
    assert world.http.post("/signin", data=form, headers=headers).status_code == 403
    stranger = world.app.test_client()
    assert stranger.post("/signin", data=form, headers=HTML).status_code == 403


def test_no_other_token_is_spent_by_the_form(world: World) -> None:
    invitation = world.token(world.admin, "host:house", single_use=True)
    form = {**signin_form(world), "code": invitation}
    assert world.http.post("/signin", data=form, headers=HTML).status_code == 422
    assert Host(world).enrol(invitation).status_code == 200


def test_the_bar_and_the_maps_hold_what_they_should() -> None:
    states = list(STATES) * 10
    counts = count_states(states)
    assert sum(counts.values()) == 80
    segments = bar_segments(counts, 80)
    assert len(segments) == len(STATES) - 1, "what waits is the ground"
    assert float(segments[-1].x.rstrip("%")) < 100
    drawn = unit_map(states, 48)
    assert (drawn.width, drawn.height) == (48 * 14, 2 * 14)
    assert {cells.state for cells in drawn.cells} == set(STATES)
    assert all(cells.path.count("M") >= 10 for cells in drawn.cells)
    assert sum(cell.lit for cell in night_map(7)) == 7
    assert sum(cell.lit for cell in night_map(10_000)) == NIGHT_CELLS
