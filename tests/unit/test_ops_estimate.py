"""The estimate of a stage's ops."""

from idlegrid_server.domain.estimate import estimate_ops


def test_one_odd_unit_does_not_move_it() -> None:
    assert estimate_ops([100, 101, 99, 10**12]) == 100
    assert estimate_ops([]) == 0
