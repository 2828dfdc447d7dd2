"""Runtimes: what interprets the programs of others, as an app version of kind ``runtime``.

:mod:`.key` says whose signature counts, :mod:`.catalogue` which runtimes this Idlegrid knows,
:mod:`.bundle` how one travels as a single file.
"""
