"""Idlegrid for scientists: a table of inputs and a program, computed on volunteers' machines.

:class:`Grid` is a project, :class:`Batch` what you submitted to it. The command line is
``idlegrid``; see docs/scientist.md.
"""

from .batch import Answer, Batch
from .fault import (
    AppFileError,
    BatchFailedError,
    BuildError,
    IdlegridError,
    InputError,
    ServerError,
    SigningKeyError,
    TableError,
)
from .grid import Grid

__all__ = [
    "Answer",
    "AppFileError",
    "Batch",
    "BatchFailedError",
    "BuildError",
    "Grid",
    "IdlegridError",
    "InputError",
    "ServerError",
    "SigningKeyError",
    "TableError",
]
