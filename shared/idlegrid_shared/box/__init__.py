"""Running one program in the box that its runtime asks for; client, server and SDK share it.

:mod:`.order` says what to run, :mod:`.open` chooses the box, :mod:`.box` is what all boxes can do.
"""
