"""``python -m idlegrid_server`` is ``idlegrid-server``."""

from idlegrid_server.cli import main

main()
