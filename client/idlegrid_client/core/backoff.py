"""How long to wait after failures: exponential, jittered so that hosts do not come in step."""

import random

from .limit import BACKOFF_CAP_S, BACKOFF_FIRST_S

_DOUBLINGS_MAX = 20  # beyond, the cap holds anyway, and the power stays small


def delay_s(failures: int, rng: random.Random, retry_after_s: float = 0.0) -> float:
    """Seconds to wait after ``failures`` in a row; at least what the server asked for.

    ``first · 2^(failures-1)``, at most the cap, then a random half of it is kept: enough spread
    for a crowd, and never a hammering.
    """
    whole = min(BACKOFF_CAP_S, BACKOFF_FIRST_S * 2.0 ** min(max(0, failures - 1), _DOUBLINGS_MAX))
    return max(whole * (0.5 + 0.5 * rng.random()), min(retry_after_s, BACKOFF_CAP_S))
