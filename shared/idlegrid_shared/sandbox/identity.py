"""What makes two runs the same work: a checkpoint is continued by no other."""

import hashlib
import json
from typing import Any

from .filesystem import FileSystem


def work_identity(job: dict[str, Any], files: FileSystem) -> str:
    """A SHA-256 (hex) over all that a run's result depends on.

    The module, the profile, arguments, variables, seed, limits, and the names and sizes of all that
    it can read; ``job["work"]`` stands for what that holds, which takes too long to hash each time.
    Host folders are not in it: a checkpoint may be continued in another place.
    """
    sizes = {}
    waiting = [files.root]
    while waiting:
        node = waiting.pop()
        waiting.extend(node.entries.values())
        if node.kind == "input":
            sizes[node.path()] = node.length
    facts = {
        "module": job["module_sha256"],
        "profile": job["profile"],
        "start": job["start"],
        "control": job["control"],
        "program": job["program"],
        "args": job["args"],
        "env": job["env"],
        "seed": job["seed"],
        "limits": job["limits"],
        "checkpoint": job["checkpoint"],
        "inputs": sizes,
        "stdin": files.stdin.length,
        "work": job["work"],
    }
    text = json.dumps(facts, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
