"""A scientist who speaks REST."""

import hashlib
from typing import Any

import msgspec
from werkzeug.test import TestResponse

from .world import MODULE, World

API = "/api/v1/"
TABLE = b'{"args":["line","0"]}\n{"args":["line","1"]}\n'


class Scientist:
    """An account with a token."""

    def __init__(self, world: World, token: str | None = None, email: str = "ada@example.org"):
        self.world = world
        self.account = world.account(email)
        self.token = token or world.token(
            self.account, "batch:read", "batch:write", "app:write", "file:write"
        )
        self.http = world.app.test_client()

    def send(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None
    ) -> TestResponse:
        data = body if isinstance(body, bytes) or body is None else msgspec.json.encode(body)
        return self.http.open(
            API + path,
            method=method,
            data=data,
            headers={"Authorization": f"Bearer {self.token}", **(headers or {})},
        )

    def get(self, path: str, status: int = 200) -> Any:
        response = self.send("GET", path)
        assert response.status_code == status, response.text
        return msgspec.json.decode(response.data)

    def post(self, path: str, body: Any, status: int = 200, **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        response = self.send("POST", path, body, headers=named)
        assert response.status_code == status, response.text
        return msgspec.json.decode(response.data)

    def upload(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        state = self.post("uploads", {"sha256": digest, "bytes": len(data)})
        if not state["done"]:
            response = self.send(
                "PATCH",
                f"uploads/{state['upload']}",
                data[state["offset"] :],
                headers={"Upload-Offset": str(state["offset"])},
            )
            assert response.status_code == 200, response.text
            assert msgspec.json.decode(response.data)["done"]
        return digest

    def publish(self) -> str:
        """The app sky-map 1; returns its release's hash."""
        self.upload(MODULE)
        signed = self.world.release()
        return str(self.post("apps/sky-map/versions", signed, 201)["release_hash"])

    def form(self, **changes: Any) -> dict[str, Any]:
        """A good batch, but for ``changes``; None leaves a field out."""
        form = {
            "name": "all sky",
            "app": "sky-map",
            "version": "1",
            "units": hashlib.sha256(TABLE).hexdigest(),
            "stages": [{"kind": "map", "program": "map"}],
            **changes,
        }
        return {name: value for name, value in form.items() if value is not None}

    def submit(self, **changes: Any) -> str:
        self.publish()
        self.upload(TABLE)
        return str(self.post("batches", self.form(**changes), 201)["id"])
