"""Everything that the stages of one worker process share, made once."""

from functools import cache

import structlog

from producer.backend.connection import Broker
from producer.backend.dead_letters import DeadLetters
from producer.backend.identities import Identities
from producer.backend.inbox import Inbox
from producer.backend.job_store import JobStore
from producer.backend.kept_results import KeptResults
from producer.backend.recoveries import Recoveries
from producer.backend.running import RunningJobs
from producer.backend.schedule import Schedule
from producer.backend.workers import Fleet
from producer.contract.stages import Stage
from worker.account.admission import Admission
from worker.aws.s3 import Storage
from worker.aws.session import Aws
from worker.aws.transcribe import Transcribe
from worker.leases import Leases
from worker.runtime.concurrency import ConcurrencyLimit
from worker.runtime.unwritable import UnwritableFolders
from worker.settings import WorkerSettings

log = structlog.get_logger()


class Context:
    """The connections and settings of a worker process; all of it is thread-safe."""

    def __init__(self, settings: WorkerSettings) -> None:
        """Connect to nothing yet; raises Permanent if there is no AWS region."""
        self.settings = settings
        broker = Broker(settings.redis_url)
        self.store = JobStore(broker, retention=settings.retention, lease=settings.lease)
        self.kept_results = KeptResults(broker, retention=settings.retention)
        self.identities = Identities(broker, lease=settings.lease)
        self.schedule = Schedule(broker, settings.lease)
        self.running = RunningJobs(broker)
        self.fleet = Fleet(broker)
        self.inbox = Inbox(broker)
        self.dead_letters = DeadLetters(broker)
        self.recoveries = Recoveries(broker, retention=settings.retention, lease=settings.lease)
        self.admission = Admission(broker, settings)
        self.leases = Leases(self.schedule)
        #: the concurrency limits of this process
        self.limits: dict[Stage, ConcurrencyLimit] = {}
        self.unwritable = UnwritableFolders()
        #: whether this process runs one isolated stage and nothing else
        self.isolated = False
        self.aws = Aws(settings)
        self.storage = Storage(self.aws.s3(), settings.conditional_put)
        self.transcribe = Transcribe(self.aws.transcribe())
        #: the same for the poll, which comes again soon rather than wait for an answer
        self.quick_transcribe = Transcribe(self.aws.transcribe(quick=True))

    def admit(self) -> None:
        """Start as many READY jobs as the account has free slots and tokens for."""
        for job_id in self.admission.capacity.admit():
            log.debug("job.admitted", job_id=job_id)


@cache
def context() -> Context:
    """This process's context.

    Raises:
        InvalidSettings: if a setting is missing or wrong.
        Permanent: if there is no AWS region.
    """
    return Context(WorkerSettings.load())
