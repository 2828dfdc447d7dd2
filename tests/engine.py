"""The container engine for tests: a real one, or none."""

import os

import pytest

from idlegrid_shared.box.container.engine import Engine
from idlegrid_shared.box.container.trial import container_offer


def working_engine() -> Engine:
    """The engine that holds on this machine.

    A developer's machine may have none, and the tests that need one are skipped there; but where
    `.ci/run` has installed it, one that does not hold any more is a failure.
    """
    offer = container_offer()
    if offer.engine is None:
        if os.environ.get("CI"):
            pytest.fail(f"no container engine holds here: {offer.reason}")
        pytest.skip(offer.reason)
    return offer.engine
