"""Every coded reason with its sentence in plain words. A code that is not here does not exist."""

from collections.abc import Mapping
from types import MappingProxyType


def _frozen(reasons: dict[str, str]) -> Mapping[str, str]:
    return MappingProxyType(reasons)


#: Why a task ended as it did, or was judged as it was.
TASK: Mapping[str, str] = _frozen(
    {
        "ok": "The program ended well.",
        # the app's own errors: they would come again elsewhere
        "exit_code": "The program ended with an exit code that says failure.",
        "trap": "The program broke a rule of the machine (division by zero, bad address).",
        "stack_overflow": "The program called itself too deeply.",
        "out_of_ops": "The program reached its limit of instructions.",
        "memory_limit": "The program asked for more memory than its limit.",
        "output_limit": "The program wrote more than its limit.",
        "file_limit": "The program made more files than its limit.",
        "process_limit": "The program started more threads or processes than it may.",
        "bad_output": "The program left links, devices or names among its outputs.",
        "bad_module": "The program file is not a valid module.",
        "bad_import": "The program needs a function that the sandbox does not have.",
        "bad_input": "An input of the program has a name or a content that cannot be given to it.",
        # the host's errors: they may go well elsewhere
        "time_limit": "The program reached its limit of time on this host.",
        "profile_mismatch": "The host's runtime is not the one the app version names.",
        "bad_checkpoint": "The checkpoint to continue from was damaged, or of other work.",
        "killed": "The program was ended from outside on this host.",
        "worker_died": "The sandbox ended unexpectedly on this host.",
        "start_failed": "The sandbox could not be started on this host.",
        "download_failed": "The host could not fetch the files.",
        "upload_failed": "The host could not send the files.",
        "disk_full": "The host's disk is full.",
        "verify_failed": "The host refused the task: a signature or hash did not match.",
        "not_allowed": "The volunteer does not allow such programs, or no wall there holds them.",
        "bad_platform": "The program is made for another kind of machine than the host.",
        "bad_profile": "The host cannot run programs of this runtime profile.",
        "runtime_failed": "The runtime of the program could not be made ready on this host.",
        "host_error": "The host could not read or write its files.",
        "host_fault": "The host failed again and again to run it.",
        "other_error": "The host reported an error of its own.",
        # how tasks end without a result
        "volunteer": "The volunteer stopped it.",
        "detached": "The host left the project.",
        "project_left": "The volunteer left the project and handed it back.",
        "deadline_passed": "It could not start on this host before its deadline.",
        "too_big": "It needs more memory than the volunteer gives.",
        "deadline": "The deadline passed in silence.",
        "decided": "The unit was decided without it.",
        "extended": "It advances and would end soon after its deadline, so it was given longer.",
        "tail": "Another copy of one of the batch's last units, since an idle computer is quicker.",
        "unit_failed": "The unit failed before.",
        "unit_cancelled": "The unit was cancelled.",
        # verdicts
        "agrees": "It agrees with the canonical result.",
        "differs": "It differs from the canonical result.",
        "no_quorum": "Too few results agree so far.",
        "disputed": "Others contradict it, and it is not decided yet who is right.",
        "host_caught": "Its host was caught with a wrong result after it, so it has no vote.",
        "undecided": "The unit ended without a canonical result.",
        "retired": "The unit's results were removed already.",
        "validator_error": "The validator could not read it.",
        "fails_check": "Its output broke a rule that the app sets for every single output.",
        "read_again": "Its unit was opened again, and another validator is to read it.",
    }
)

#: Task errors that are the app's: the sandbox gives them on every host alike.
APP_ERRORS = frozenset(
    {
        "exit_code",
        "trap",
        "stack_overflow",
        "out_of_ops",
        "memory_limit",
        "output_limit",
        "file_limit",
        "process_limit",
        "bad_output",
        "bad_module",
        "bad_import",
        "bad_input",
    }
)

#: Why a work unit stands where it stands.
UNIT: Mapping[str, str] = _frozen(
    {
        "submitted": "It was submitted.",
        "quorum": "Enough results agree.",
        "believed": "Those who agree are right with the probability that the app asks for.",
        "single": "A proven host says so; it is final when the host has passed further checks.",
        "proven": "A proven host says so.",
        "known": "A result is the answer that was known before.",
        "final": "Its host has passed the checks that make its word final.",
        "streak": "A host with a long row of agreed results says so.",
        "host_caught": "The host that said so was caught with a wrong result.",
        "audit_differs": "A secret check of it differs.",
        "fails_check": "What was accepted broke a rule that the app sets for every output.",
        "computed": "The server computed it.",
        "indexed": "Its output is in the batch's answer.",
        "too_many_errors": "It failed on more hosts than the app allows.",
        "no_agreement": "More results than the app allows, and no quorum among them.",
        "too_many_tasks": "It would need more tasks than the app allows.",
        "compute_failed": "The server could not compute it.",
        "batch_cancelled": "Its batch was cancelled.",
        "batch_failed": "Its batch failed.",
        "rescued": "A late result completed the quorum after all.",
        "reopened": "It was opened again for another look.",
        "removed": "It was retired with its batch.",
    }
)

#: Why a stage or a batch stands where it stands.
BATCH: Mapping[str, str] = _frozen(
    {
        "submitted": "It was submitted.",
        "checked": "Its table is in order.",
        "bad_table": "Its table has an error.",
        "stage_done": "All units of the stage have ended.",
        "next_stage": "The stage before it is complete.",
        "all_done": "All stages are complete.",
        "some_skipped": "All stages are complete; some units failed and were skipped.",
        "unit_failed": "A unit failed, and the batch is to stop at the first.",
        "too_many_failures": "More units failed than the batch allows.",
        "nothing_left": "Every unit failed.",
        "combine_failed": "The combine step failed.",
        "owner": "Its owner asked for it.",
        "admin": "An admin asked for it.",
        "reopened": "A unit was opened again.",
        "revalidated": "Its results are looked at again under another validator.",
        "canaries_passed": "Its first units came back well, so the rest goes out.",
        "canaries_slow": "Its first units take long but met no error, so the rest goes out.",
        "canaries_failed": "Most of its first units failed, so the rest was kept back.",
        "brake": "It failed on every computer that tried, so the server stopped sending it.",
        "resumed": "Its owner lets it go on.",
    }
)

#: Why a host stands where it stands.
HOST: Mapping[str, str] = _frozen(
    {
        "enrolled": "It enrolled.",
        "first_result": "It returned its first result.",
        "proven": "Enough of its results were confirmed by others.",
        "results_differ": "Its results differ from those of others.",
        "check_failed": "A result of it differed from that of others, so it must be proven again.",
        "released": "Its time out is over; it gets another chance.",
        "admin": "An admin decided it.",
        "left": "It left the project.",
        "unbanned": "An admin let it in again; it has to prove itself anew.",
    }
)

#: Why a host got no (more) work. ``{count}`` units, ``{detail}`` as the matcher fills it.
REFUSAL: Mapping[str, str] = _frozen(
    {
        "no_work": "No batch has a unit waiting for a computer like this one.",
        "memory": "{count} units need {detail} of memory, more than you allow.",
        "profile": "{count} units need another version of the client's runtime.",
        "kind": "{count} units wait for a computer of the same kind as the one that began them.",
        "partner": "{count} units wait for a partner other than this computer, or its owner.",
        "deadline": "{count} tasks more would likely come back after their deadline, with what "
        "this computer has to do already.",
        "cores": "{count} units need {detail} cores, more than you allow.",
        "disk": "{count} units need {detail} of free disk.",
        "feature": "{count} units need a processor with {detail}.",
        "named": "{count} units are for certain computers, and this is none of them.",
        "capped": "{count} units wait: as many tasks of their scientist or app are out as may be.",
        "reserved": "{count} units wait for a computer whose results were confirmed before.",
        "cap": "This computer asked for more; it has {detail} tasks that it may hold at a time.",
        "newcomers": "Very many new computers joined lately, and this is one of them. It gets work "
        "when results of proven computers have been confirmed.",
        "unjudged": "This computer is new here: it has {detail} tasks, and {count} results that "
        "others have not judged yet. It gets more when they have.",
        "quarantined": "This computer's results differ from those of others; an admin looks at it.",
        "disk_low": "The server's disk is nearly full: it takes results and gives no new work.",
    }
)


#: What hinders hosts that asked: "so many …" of :data:`REFUSAL`'s codes, and one for those named.
TURNED_AWAY: Mapping[str, str] = _frozen(
    {
        "no_work": "found nothing",
        "memory": "gave too little memory",
        "profile": "had another runtime, or none for it",
        "kind": "are of another kind than the one that began it",
        "partner": "had a copy, or share owner or network with one that has",
        "deadline": "would likely have been late",
        "reserved": "are not proven yet, and it is kept for those who are",
        "cap": "had as many tasks as they may hold",
        "newcomers": "are new, when very many were",
        "unjudged": "are new, and results of theirs wait to be judged first",
        "capped": "came while as many tasks of the scientist or app were out as may be",
        "cores": "have too few cores",
        "disk": "had too little free disk",
        "feature": "have a processor that lacks what the program needs",
        "quarantined": "are in quarantine",
        "disk_low": "came while the server's disk was nearly full",
        "named": "are not among those that it names",
    }
)

#: The same for requests: "so often because …".
BECAUSE: Mapping[str, str] = _frozen(
    {
        "no_work": "nothing waited",
        "memory": "the volunteer gave too little memory",
        "profile": "the client had another runtime",
        "kind": "the computer is of another kind than the one that began the unit",
        "partner": "the computer, its owner or its network had a copy already",
        "deadline": "it would likely have come back too late",
        "reserved": "it is kept for computers whose results were confirmed before",
        "cap": "the computer had as many tasks as it may hold",
        "newcomers": "the computer is new, and very many were",
        "unjudged": "the computer is new, and results of it wait to be judged first",
        "capped": "as many tasks of the scientist or app were out as may be",
        "cores": "it has too few cores",
        "disk": "it has too little free disk",
        "feature": "its processor lacks what the program needs",
        "named": "the work was for other computers",
        "quarantined": "the computer is in quarantine",
        "disk_low": "the server's disk was nearly full",
    }
)


def sentence(kind: str, code: str) -> str:
    """The plain words of a reason; raises ``KeyError`` for a code that does not exist."""
    return {"task": TASK, "unit": UNIT, "stage": BATCH, "batch": BATCH, "host": HOST}[kind][code]
