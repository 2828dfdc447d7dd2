"""What can be wrong with a rule, and with an output."""


class RuleError(ValueError):
    """A validator that contradicts itself; the message says where and what would be right."""


class UnreadableError(Exception):
    """An output that is not of the format that its rule names, or too big to be looked at."""
