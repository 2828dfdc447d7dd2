"""Validators: when two outputs of a work unit agree, and what an output must be by itself.

The rules are values (:mod:`.rule`); the readers of each format are made for hostile bytes: bounded,
without recursion, without code in data. Nothing here knows of the network, a database or a clock.
"""

from .fault import RuleError, UnreadableError
from .output import Finding, check_output, compare_outputs
from .rule import FieldRule, FileRule, Validator, parse_validator

__all__ = [
    "FieldRule",
    "FileRule",
    "Finding",
    "RuleError",
    "UnreadableError",
    "Validator",
    "check_output",
    "compare_outputs",
    "parse_validator",
]
