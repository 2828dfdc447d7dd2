"""Tables of how far hosts are believed."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Double, Index, Integer, Table, Text

from .metadata import metadata

Id = BigInteger().with_variant(Integer, "sqlite")


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default="0")


# How far a host is believed, subject by subject: domain/reputation.py says which there are.
reputation = Table(
    "reputation",
    metadata,
    Column("host_id", Id, primary_key=True, autoincrement=False),
    Column("subject", Text, primary_key=True),
    Column("passed", Double, nullable=False, server_default="0"),  # sums of checks at faded_at
    Column("failed", Double, nullable=False, server_default="0"),
    Column("faded_at", BigInteger, nullable=False),
    _count("checks"),  # passed, whatever their weight; never falls
    _count("n_failed"),
    _count("streak"),  # passed in a row
    Column("caught_at", BigInteger),  # the newest failed one
    CheckConstraint("passed >= 0 AND failed >= 0", name="sums"),
    Index(None, "subject"),
)

# Results confirmed by day, of hosts that were on probation then and of others: domain/newcomer.py.
confirmed_day = Table(
    "confirmed_day",
    metadata,
    Column("day", Id, primary_key=True, autoincrement=False),
    _count("newcomers"),
    _count("others"),
)
