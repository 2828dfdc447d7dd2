"""The real client, but that it checkpoints every second; run it as a module."""

from idlegrid_client.cli import main
from idlegrid_client.core import save

EVERY_S = 1.0

if __name__ == "__main__":
    save.SAVE_EVERY_S = EVERY_S
    main()
