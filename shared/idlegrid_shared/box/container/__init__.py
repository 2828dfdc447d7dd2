"""The box of containers: podman or docker, if there is one and it was seen to wall a program in.

:mod:`.engine` finds and asks the engine, :mod:`.trial` tries it, :mod:`.image` reads and writes
archives of images, :mod:`.process` runs one and watches it.
"""
