"""A job's lease while a worker works on it: renewed in good time, or given back at once."""

from collections.abc import Callable

from idlegrid_server.store.command import Job, RenewJob, Store


class LeaseLost(Exception):  # noqa: N818 - what happened is its name
    """The lease ran out and another worker has the job: stop, and touch nothing more."""


class Interrupted(Exception):  # noqa: N818 - nobody did wrong
    """This worker shall end: the job waits for the next one."""


class Lease:
    """The right to work on one job. All times are µs."""

    def __init__(
        self, store: Store, clock: Callable[[], int], job: Job, worker: str, life_us: int
    ) -> None:
        self.store = store
        self.clock = clock
        self.job = job
        self.worker = worker
        self.life_us = life_us
        self.renewed_at = clock()

    def keep(self, progress: str | None = None) -> None:
        """Renew the lease if a third of it has passed; raises :class:`LeaseLost`."""
        if self.clock() - self.renewed_at >= self.life_us // 3:
            self.renew(progress)

    def renew(self, progress: str | None = None) -> None:
        """Renew the lease now; raises :class:`LeaseLost`."""
        now = self.clock()
        self._renew(now, now + self.life_us, progress)
        self.renewed_at = now

    def give_back(self) -> None:
        """Let the next worker have the job at once; raises :class:`LeaseLost`."""
        now = self.clock()
        self._renew(now, now, None)

    def _renew(self, now: int, until: int, progress: str | None) -> None:
        answer = self.store.execute(
            RenewJob(
                now=now,
                job_id=self.job.id,
                worker=self.worker,
                lease_until=until,
                progress=progress,
            )
        )
        if answer.status == "lost":
            raise LeaseLost(f"job {self.job.id} has gone to another worker")
