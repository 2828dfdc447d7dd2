"""A scientist at work over REST: uploads a table, submits a batch, sometimes pauses or cancels it.

Each call is repeated until the server has answered it, as the SDK does.
"""

import hashlib
from collections.abc import Generator
from typing import Any

import msgspec
import requests

from .mix import BatchMix
from .network import URL, Network, Wire
from .project import APP

AGAIN_S = 7.0
ADDRESS = "198.51.100.7"
ENDED = frozenset({"complete", "complete_with_failures", "failed", "cancelled"})

#: method, path, body, headers → status and decoded answer
Call = tuple[str, str, bytes, dict[str, str]]
Story = Generator[Call, tuple[int, Any], None]


class Scientist:
    """Who submitted one batch."""

    def __init__(self, network: Network, token: str, mix: BatchMix, number: int) -> None:
        self.network = network
        self.world = network.world
        self.mix = mix
        self.number = number
        self.batch = ""  # its public id, once it is known
        self.steered = mix.fate == "none"
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"Bearer {token}"
        self._session.mount("http://", Wire(network, ADDRESS, breaks=True))
        self.world.after(mix.at_s, lambda: self._go_on(self._submission(), None))

    def units(self) -> list[list[str]]:
        """The arguments of each work unit."""
        extra = ["large"] if self.mix.large else []
        return [[f"batch {self.number}", str(i), *extra] for i in range(self.mix.units)]

    # --- stories

    def _submission(self) -> Story:
        table = b"".join(
            msgspec.json.encode({"args": args, "inputs": []}) + b"\n" for args in self.units()
        )
        digest = hashlib.sha256(table).hexdigest()
        yield from self._upload(table, digest)
        stages: list[dict[str, object]] = [{"kind": "map", "program": "main", "inputs": []}]
        if self.mix.combine:
            stages.append(
                {
                    "kind": "combine",
                    "program": "join",
                    "args": [],
                    "inputs": [],
                    "placement": "server",
                }
            )
        spec = {
            "name": f"batch {self.number}",
            "app": APP,
            "version": self.mix.version,
            "units": digest,
            "stages": stages,
            "on_failure": self.mix.on_failure,
            "priority": 0,
            "seed": str(self.world.seed),
        }
        headers = {"Idempotency-Key": f"batch-{self.world.seed}-{self.number}"}
        status, made = yield "POST", "batches", msgspec.json.encode(spec), headers
        assert status in (200, 201, 202), f"the batch was refused: {status} {made}"
        self.batch = made["id"]
        self.world.tell(f"batch {self.number} is submitted: {self.batch}")
        if self.mix.fate != "none":
            self.world.after(self.mix.fate_at_s, lambda: self._go_on(self._steering(), None))

    def _upload(self, data: bytes, digest: str) -> Story:
        body = msgspec.json.encode({"sha256": digest, "bytes": len(data)})
        while True:
            status, state = yield "POST", "uploads", body, {}
            assert status in (200, 201), f"the upload was refused: {status} {state}"
            if state.get("done"):
                return
            offset = int(state["offset"])
            headers = {
                "Upload-Offset": str(offset),
                "Content-Type": "application/octet-stream",
            }
            yield "PATCH", f"uploads/{state['upload']}", data[offset:], headers

    def _steering(self) -> Story:
        word = self.mix.fate
        status, answer = yield "POST", f"batches/{self.batch}/{word}", b"{}", {}
        self.world.tell(f"batch {self.number}: {word} → {status}")
        # A batch that has ended meanwhile cannot be paused or cancelled, and says so.
        assert status in (200, 202, 409), f"{word} was answered {status} {answer}"
        if word == "pause":
            self.world.after(200.0, lambda: self._go_on(self._resumption(), None))
        else:
            self.steered = True

    def _resumption(self) -> Story:
        status, answer = yield "POST", f"batches/{self.batch}/resume", b"{}", {}
        assert status in (200, 202, 409), f"resume was answered {status} {answer}"
        self.world.tell(f"batch {self.number}: resume → {status}")
        self.steered = True

    def look(self) -> dict[str, Any]:
        """The batch as REST shows it now; the server must be up."""
        status, answer = self._call(("GET", f"batches/{self.batch}", b"", {})) or (0, None)
        assert status == 200, f"the batch cannot be seen: {status} {answer}"
        return dict(answer)

    def answer(self) -> dict[str, Any]:
        """The batch's answer as REST shows it now."""
        status, answer = self._call(("GET", f"batches/{self.batch}/answer", b"", {})) or (0, None)
        assert status == 200, f"the answer cannot be seen: {status} {answer}"
        return dict(answer)

    def close(self) -> None:
        """No more calls."""
        self._session.close()

    # --- calls

    def _go_on(self, story: Story, before: tuple[int, Any] | None) -> None:
        try:
            call = next(story) if before is None else story.send(before)
        except StopIteration:
            return
        self.world.after(0.1, lambda: self._try(story, call))

    def _try(self, story: Story, call: Call) -> None:
        answer = self._call(call)
        if answer is None or answer[0] in (429, 503):
            self.world.after(AGAIN_S, lambda: self._try(story, call))
        else:
            self._go_on(story, answer)

    def _call(self, call: Call) -> tuple[int, Any] | None:
        method, path, body, headers = call
        try:
            reply = self._session.request(
                method,
                f"{URL}/api/v1/{path}",
                data=body or None,
                headers={"Content-Type": "application/json", **headers},
            )
            with reply:
                return reply.status_code, msgspec.json.decode(reply.content or b"null")
        except (requests.RequestException, msgspec.DecodeError):
            return None  # cut off in the middle: nobody knows, so it is said again
