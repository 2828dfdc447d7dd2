"""Every number that bounds the agent, with its reason. Times in seconds unless named otherwise."""

US = 1_000_000  # µs in a second: `now` and everything named `…_at` count them

BACKOFF_FIRST_S = 1.0  # after one failure
BACKOFF_CAP_S = 3_600.0  # never further apart, however often it failed
BLOCKED_RETRY_S = 86_400.0  # a banned or revoked host asks again once a day
CONTACT_MAX_S = 86_400.0  # no server may send us away for longer
CONTACT_FIRST_S = 1.0  # the least pause between two exchanges, whatever the server says
HEARTBEAT_S = 3_600.0  # while tasks are here, ask at least this often whether they are wanted
PROGRESS_AHEAD_S = 900.0  # so long before its deadline a task that will miss it is told of
PROGRESS_AGAIN_S = 300.0  # and not more often than that
REFRESH_S = 86_400.0  # without tasks: renew the timestamp well before its seven days are over
MACHINE_REPEAT_S = 86_400.0  # facts about the machine are sent again after this

WORK_AHEAD_S = 10.0  # keep so much work beyond what runs, or two contact intervals if longer
WORK_AHEAD_PER_CORE_MAX = 64
RESULTS_WAITING_MAX = 400  # with so many undelivered results no new work is asked for
DISK_FREE_MIN_BYTES = 256 * 1024 * 1024
REPORT_BYTES_MAX = 5 * 1024 * 1024  # of all reports in one request; the wire allows 8 MiB in all

CHECKPOINT_SEND_S = 1_800.0  # between two checkpoints of a task that go to the server
CHECKPOINT_RETRY_S = 600.0  # after one could not be sent: it only saves time, and results go first

LEAVE_MEMORY_S = 300.0  # a pause so long is no short one: tasks give their memory back
LEAVE_RETRY_S = 1_800.0  # after a task came to no host call; each try lets it compute a little
MEMORY_KEEP_BYTES = 512 * 1024 * 1024  # free for the volunteer's programs

RUNTIME_RETRY_S = 6 * 3_600.0  # after an interpreter turned out not to compile here

DOWNLOAD_TRIES_MAX = 12  # per file and address
REOFFERS_MAX = 3  # how often a task whose files cannot be had is asked for anew
START_TRIES_MAX = 3  # how often a task is started again after the machine failed it
RESULT_KEEP_S = 30 * 86_400.0  # an undeliverable result is given up so long after its deadline
HISTORY_MAX = 24  # remembered steps of one task
NOTICE_CHARS_MAX = 500
