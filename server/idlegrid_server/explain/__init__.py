"""The whole story of a unit, a task, a host, a batch or an account, in plain words.

Read from the event log and from what stands in the tables now; every line says when, who and why.
"""

from .account import explain_account
from .batch import explain_batch
from .host import explain_host
from .story import Explained, Names, Step
from .unit import explain_task, explain_unit

__all__ = [
    "Explained",
    "Names",
    "Step",
    "explain_account",
    "explain_batch",
    "explain_host",
    "explain_task",
    "explain_unit",
]
