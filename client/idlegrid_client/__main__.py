"""`python -m idlegrid_client`, and where a frozen build begins."""

import sys


def start() -> None:
    """The client; or the sandbox's worker, as which a frozen build starts itself again.

    The worker's modules must load fast, so nothing of the client is imported for it.
    """
    if sys.argv[1:2] == ["--sandbox-worker"]:
        from idlegrid_shared.sandbox.worker import main as worker

        worker()
    else:
        from idlegrid_client.cli import main

        main()


if __name__ == "__main__":
    start()
