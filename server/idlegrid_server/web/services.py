"""What the web application works with. The server builds it from a folder, tests by hand."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from nacl.signing import SigningKey

from idlegrid_server.config import Config
from idlegrid_server.files import CheckpointFolder, ContentStore, PartialUploads
from idlegrid_server.health import Condition
from idlegrid_server.pipeline.wake import Silence, Waker
from idlegrid_server.scheduler.disk import DiskWatch
from idlegrid_server.scheduler.exchange import Scheduler
from idlegrid_server.scheduler.newcomer import NewcomerWatch
from idlegrid_server.scheduler.stage_facts import StageCache
from idlegrid_server.scheduler.tally import RefusalTally
from idlegrid_server.scheduler.trust import TrustDesk
from idlegrid_server.store.command import Store
from idlegrid_shared.signing import fingerprint, public_hex

from .incidents import Incidents
from .peer import Peers
from .public_id import PublicIds
from .rate import RateLimit
from .recent import Recent
from .ticket import Tickets

SESSIONS_BURST, SESSIONS_PER_MINUTE = 10, 6.0
ENROLS_BURST, ENROLS_PER_MINUTE = 200, 60.0


@dataclass(frozen=True)
class Keys:
    """The secrets that the web processes use, and the root's public half (hex)."""

    online: SigningKey
    root_public: str
    ids: bytes
    tokens: bytes


def no_conditions() -> list[Condition]:
    """Nothing is known of the machine: what tests and the harness say of it."""
    return []


@dataclass(frozen=True)
class Services:
    """Everything that views need. ``clock`` gives µs UTC; nothing else tells the time."""

    config: Config
    store: Store
    files: ContentStore
    uploads: PartialUploads
    checkpoints: CheckpointFolder
    clock: Callable[[], int]
    keys: Keys
    waker: Waker = field(default_factory=Silence)
    address: Callable[[], str] = lambda: "http://127.0.0.1:8080"  # the project's, for links
    conditions: Callable[[], list[Condition]] = no_conditions

    @cached_property
    def ids(self) -> PublicIds:
        """Public ids."""
        return PublicIds(self.keys.ids)

    @cached_property
    def tickets(self) -> Tickets:
        """Addresses of private files."""
        return Tickets(self.keys.tokens)

    @cached_property
    def incidents(self) -> Incidents:
        """What the admin should see."""
        return Incidents(self.store, self.clock)

    @cached_property
    def recent(self) -> Recent:
        """What many look at."""
        return Recent(self.clock)

    @cached_property
    def peers(self) -> Peers:
        """Where requests come from."""
        return Peers(self.config.web.trusted_proxies)

    @cached_property
    def stages(self) -> StageCache:
        """What of stages never changes."""
        return StageCache(self.store)

    @cached_property
    def trust(self) -> TrustDesk:
        """The project's signed word."""
        return TrustDesk(self.store, self.keys.online, self.keys.root_public, self.clock)

    @cached_property
    def disk(self) -> DiskWatch:
        """Whether there is room for more."""
        return DiskWatch(self.files, self.config.limits.disk_low_water_bytes, self.clock)

    @cached_property
    def tally(self) -> RefusalTally:
        """How often hosts get no work, and why."""
        return RefusalTally(self.store, self.clock)

    @cached_property
    def session_rate(self) -> RateLimit:
        """Attempts to sign in, by address."""
        return RateLimit(SESSIONS_BURST, SESSIONS_PER_MINUTE, self.clock)

    @cached_property
    def enrol_rate(self) -> RateLimit:
        """New hosts, by address: a class-room behind one address must get in."""
        return RateLimit(ENROLS_BURST, ENROLS_PER_MINUTE, self.clock)

    @cached_property
    def scheduler(self) -> Scheduler:
        """The exchange with hosts."""
        dispatch = self.config.dispatch
        return Scheduler(
            store=self.store,
            clock=self.clock,
            ids=self.ids,
            addresses=self.tickets,
            online_key=self.keys.online,
            online_public=public_hex(self.keys.online),
            trust=self.trust,
            stages=self.stages,
            disk=self.disk,
            newcomers=NewcomerWatch(self.store, dispatch.newcomers_share, self.clock),
            tally=self.tally,
            distinct=dispatch.distinct,
            next_contact_min_s=dispatch.next_contact_min_s,
            next_contact_idle_s=dispatch.next_contact_idle_s,
            wake=self.waker.wake,
        )

    @property
    def fingerprint(self) -> str:
        """The root key's, as in joining links."""
        return fingerprint(self.keys.root_public)

    @property
    def join_link(self) -> str:
        """What a volunteer gives to the client."""
        return f"{self.address()}/join#root={self.fingerprint}"

    def wake(self) -> None:
        """Ask for a pass."""
        self.waker.wake("wake")

    def wake_compute(self) -> None:
        """Ask for the compute worker."""
        self.waker.wake("compute")
