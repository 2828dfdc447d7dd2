"""The deterministic WebAssembly sandbox that client, server and SDK share.

Callers import :mod:`idlegrid_shared.sandbox.run` (start a program), ``profile`` (what a host runs),
``limits`` and ``job`` (what goes in and comes out). Everything else runs inside the worker
subprocess, which must start within a few hundredths of a second: modules used there import neither
msgspec nor dataclasses, and this package imports nothing by itself.
"""
