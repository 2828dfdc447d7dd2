"""``python -m idlegrid`` is ``idlegrid``."""

from idlegrid.cli import main

main()
