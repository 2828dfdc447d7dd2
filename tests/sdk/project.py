"""A project as the SDK sees it, in memory: it keeps what is sent, and answers by the contract."""

import hashlib
import json
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from idlegrid_shared.documents import Release
from idlegrid_shared.signing import Signed, open_document

from .loopback import Say, Seen, problem, say_json


class Project:
    """Call it with a request; look at ``files``, ``releases`` and ``specs`` afterwards."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.uploads: dict[str, bytes] = {}
        self.sizes: dict[str, int] = {}
        self.releases: dict[str, dict[str, str]] = {}
        self.specs: list[dict] = []
        self.keys: dict[str, str] = {}
        self.state = "running"
        self.steps = 0
        self.answer_files: dict[str, bytes] = {}
        self.steered: list[str] = []
        self.forecast: dict[str, str] | None = None
        self.requests: list[str] = []

    def __call__(self, seen: Seen) -> Say:
        parts = urlsplit(seen.path)
        path = parts.path.removeprefix("/api/v1/").split("/")
        self.requests.append(f"{seen.method} {path[0]}")
        method = getattr(self, f"{seen.method.lower()}_{path[0]}")
        return method(seen, [unquote(part) for part in path[1:]], parse_qs(parts.query))

    def post_uploads(self, seen: Seen, path: list[str], query: dict) -> Say:
        body = json.loads(seen.body)
        name = body["sha256"]
        self.uploads.setdefault(name, b"")
        self.sizes[name] = body["bytes"]
        return self.upload_state(name)

    def patch_uploads(self, seen: Seen, path: list[str], query: dict) -> Say:
        name = path[0]
        self.uploads[name] += seen.body
        if len(self.uploads[name]) == self.sizes[name]:
            if hashlib.sha256(self.uploads[name]).hexdigest() != name:
                return problem(422, "hash_mismatch", "other bytes")
            self.files[name] = self.uploads[name]
        return self.upload_state(name)

    def upload_state(self, name: str) -> Say:
        done = name in self.files
        offset = self.sizes[name] if done else len(self.uploads[name])
        return say_json({"upload": name, "offset": offset, "bytes": self.sizes[name], "done": done})

    def get_apps(self, seen: Seen, path: list[str], query: dict) -> Say:
        if path[0] not in self.releases:
            return problem(404, "not_found", "There is no such app here.")
        versions = [
            {"version": version, "release_hash": digest}
            for version, digest in self.releases[path[0]].items()
        ]
        return say_json({"name": path[0], "versions": versions})

    def post_apps(self, seen: Seen, path: list[str], query: dict) -> Say:
        signed = msgspec.json.decode(seen.body, type=Signed)
        release = open_document("release", signed, Release)
        assert all(program.module.sha256 in self.files for program in release.programs)
        digest = hashlib.sha256(signed.body).hexdigest()
        versions = self.releases.setdefault(path[0], {})
        if versions.setdefault(release.version, digest) != digest:
            return problem(409, "conflict", "another release of that version")
        return say_json({"version": release.version, "release_hash": digest}, 201)

    def post_batches(self, seen: Seen, path: list[str], query: dict) -> Say:
        if path:
            self.steered.append(path[1])
            return say_json({})
        key = seen.headers["Idempotency-Key"]
        if key not in self.keys:
            self.specs.append(json.loads(seen.body))
            self.keys[key] = f"batch_{len(self.specs)}"
        return say_json({"id": self.keys[key]}, 201)

    def get_batches(self, seen: Seen, path: list[str], query: dict) -> Say:
        if not path:
            start = int(query.get("cursor", ["0"])[0])
            found = [self.batch(n) for n in range(len(self.specs), 0, -1)]
            more = str(start + 2) if len(found) > start + 2 else None
            return say_json({"batches": found[start : start + 2], "next": more})
        if len(path) == 1:
            self.steps += 1
            return say_json(self.batch(int(path[0].removeprefix("batch_"))))
        if path[1:] == ["answer"]:
            entries = [
                {"name": name, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
                for name, data in self.answer_files.items()
            ]
            return say_json({"revision": 1, "manifest": entries, "detail": {"units": 2}})
        return Say(200, self.answer_files["/".join(path[3:])])

    def batch(self, number: int) -> dict:
        spec = self.specs[number - 1]
        done = min(self.steps, 3)
        state = self.state if done == 3 else "running"
        stage = {"index": 0, "kind": "map", "state": "running", "expected": 3, "created": 3}
        failures = [{"reason": "exit_code", "count": 1, "stderr": "oh no"}]
        return {
            "id": f"batch_{number}",
            "name": spec["name"],
            "state": state,
            "stages": [{**stage, "assimilated": done, "a_new_field": 1}],
            "failures": failures if state == "failed" else [],
            "reason": "a unit failed" if state == "failed" else "",
            "forecast": self.forecast,
        }
