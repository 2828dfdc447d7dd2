"""`python -m idlegrid_client`, and where a frozen build begins."""

import sys


def start() -> None:
    """The client; or a worker or launcher, as which a frozen build starts itself again.

    Their modules must load fast, so nothing of the client is imported for them.
    """
    if sys.argv[1:2] == ["--sandbox-worker"]:
        from idlegrid_shared.sandbox.worker import main as worker

        worker()
    elif sys.argv[1:2] == ["--native-launcher"]:
        from idlegrid_shared.box.native.launcher import main as launcher

        launcher()
    else:
        from idlegrid_client.cli import main

        main()


if __name__ == "__main__":
    start()
