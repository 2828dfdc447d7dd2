"""Attacks on what the client believes. Each one edits what an honest project would send."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from idlegrid_client.core.event import CheckedReply
from idlegrid_client.reply_check import check_reply
from idlegrid_client.verify import (
    VerifyError,
    check_descriptor,
    check_receipt,
    check_runtime,
    open_trust,
    release_hash,
    renew_trust,
)
from idlegrid_shared.documents import Delegations, Receipt, Release, TaskDescriptor, TaskInput
from idlegrid_shared.runtime.catalogue import known_runtimes
from idlegrid_shared.sandbox.profile import current_profile
from idlegrid_shared.signing import Signed, new_key, public_hex, sign_bytes, sign_document
from idlegrid_shared.wire import ExchangeReply, FileSource, ReportAnswer, TaskOffer

from .simulator import SimulatedProject, sha256

US = 1_000_000
MODULE = b"\0asm\1\0\0\0"


def trust_of(project: SimulatedProject) -> Any:
    return open_trust(project.fingerprint, project.delegations(), project.timestamp())


def edited(signed: Signed, **changes: object) -> bytes:
    """The body of a signed document with some fields changed, signature left as it was."""
    document = msgspec.json.decode(signed.body)
    return msgspec.json.encode({**document, **changes})


def resigned(kind: Any, signed: Signed, key: Any, model: Any, **changes: Any) -> Signed:
    document = msgspec.json.decode(edited(signed, **changes), type=model)
    return sign_document(kind, document, key)


# --- delegations and timestamps


def wrong_root(p: SimulatedProject) -> None:
    other = SimulatedProject()
    open_trust(p.fingerprint, other.delegations())


def altered_delegations(p: SimulatedProject) -> None:
    signed = p.delegations()
    body = edited(signed, online=(public_hex(new_key()),))
    open_trust(p.fingerprint, msgspec.structs.replace(signed, body=body))


def root_names_another_root(p: SimulatedProject) -> None:
    signed = resigned(
        "delegations", p.delegations(), p.root, Delegations, root=public_hex(new_key())
    )
    open_trust(p.fingerprint, signed)


def replayed_delegations(p: SimulatedProject) -> None:
    """The publisher of serial 1 was removed in serial 2; an attacker shows serial 1 again."""
    old = p.delegations()
    p.serial = 2
    renew_trust(trust_of(p), delegations=old)


def replayed_delegations_after_a_lost_disk(p: SimulatedProject) -> None:
    open_trust(p.fingerprint, p.delegations(), serial_min=2)


def two_delegations_of_one_serial(p: SimulatedProject) -> None:
    trust = trust_of(p)
    p.apps = ("*",)
    renew_trust(trust, delegations=p.delegations())


def timestamp_of_a_stranger(p: SimulatedProject) -> None:
    trust = trust_of(p)
    p.online = new_key()
    renew_trust(trust, timestamp=p.timestamp())


def timestamp_that_lives_for_a_year(p: SimulatedProject) -> None:
    renew_trust(trust_of(p), timestamp=p.timestamp(life_s=365 * 86_400))


def timestamp_of_another_project(p: SimulatedProject) -> None:
    other = SimulatedProject()
    other.online = p.online
    renew_trust(trust_of(p), timestamp=other.timestamp())


def timestamp_of_old_delegations(p: SimulatedProject) -> None:
    old = p.timestamp()
    p.serial = 2
    renew_trust(trust_of(p), timestamp=old)


def timestamp_of_delegations_not_shown(p: SimulatedProject) -> None:
    trust = trust_of(p)
    p.serial = 2
    renew_trust(trust, timestamp=p.timestamp())


@pytest.mark.parametrize(
    ("attack", "code"),
    [
        (wrong_root, "bad_delegations"),
        (altered_delegations, "bad_delegations"),
        (root_names_another_root, "bad_delegations"),
        (replayed_delegations, "old_delegations"),
        (replayed_delegations_after_a_lost_disk, "old_delegations"),
        (two_delegations_of_one_serial, "two_delegations"),
        (timestamp_of_a_stranger, "bad_timestamp"),
        (timestamp_that_lives_for_a_year, "bad_timestamp"),
        (timestamp_of_another_project, "bad_timestamp"),
        (timestamp_of_old_delegations, "old_timestamp"),
        (timestamp_of_delegations_not_shown, "stale_delegations"),
    ],
)
def test_attacks_on_the_projects_own_word(
    attack: Callable[[SimulatedProject], None], code: str
) -> None:
    with pytest.raises(VerifyError) as refused:
        attack(SimulatedProject())
    assert refused.value.code == code


def test_honest_renewals_are_taken_and_overtaken_ones_ignored() -> None:
    project = SimulatedProject()
    trust = trust_of(project)
    early = project.timestamp()
    project.issued_at += US
    project.serial = 2
    newer = renew_trust(trust, project.delegations(), project.timestamp())
    assert newer.delegations.serial == 2
    assert newer.expires_at == trust.expires_at + US
    project.serial = 1
    project.issued_at += US
    late = renew_trust(trust, timestamp=project.timestamp())
    assert renew_trust(late, timestamp=early) == late


# --- tasks and releases


Attack = Callable[[SimulatedProject, Signed], tuple[Signed, Signed]]


def other_projects_descriptor(p: SimulatedProject, release: Signed) -> tuple[Signed, Signed]:
    return p.descriptor("task_1", release, project=public_hex(new_key())), release


def descriptor_by_a_stranger(p: SimulatedProject, release: Signed) -> tuple[Signed, Signed]:
    p.online = new_key()
    return p.descriptor("task_1", release), release


def descriptor_by_the_publisher(p: SimulatedProject, release: Signed) -> tuple[Signed, Signed]:
    p.online = p.publisher
    return p.descriptor("task_1", release), release


def altered_arguments(p: SimulatedProject, release: Signed) -> tuple[Signed, Signed]:
    signed = p.descriptor("task_1", release, args=("safe",))
    body = edited(signed, args=["dangerous"])
    return msgspec.structs.replace(signed, body=body), release


def receipt_passed_off_as_a_task(p: SimulatedProject, release: Signed) -> tuple[Signed, Signed]:
    document = msgspec.json.decode(p.descriptor("task_1", release).body, type=TaskDescriptor)
    return sign_document("receipt", document, p.online), release


def undelegated_publisher(p: SimulatedProject, release: Signed) -> tuple[Signed, Signed]:
    signed = sign_document("release", msgspec.json.decode(release.body, type=Release), new_key())
    return p.descriptor("task_1", signed), signed


def publisher_of_other_apps(p: SimulatedProject, release: Signed) -> tuple[Signed, Signed]:
    signed = p.add_release(MODULE, app="elsewhere")
    return p.descriptor("task_1", signed, app="elsewhere"), signed


def swapped_release(p: SimulatedProject, release: Signed) -> tuple[Signed, Signed]:
    """The descriptor names release A; the server sends B, well signed, under A's name."""
    return p.descriptor("task_1", release), p.add_release(b"\0asm\1\0\0\0other")


def release_of_another_version(p: SimulatedProject, release: Signed) -> tuple[Signed, Signed]:
    return p.descriptor("task_1", release, version="9.9"), release


def program_that_is_not_there(p: SimulatedProject, release: Signed) -> tuple[Signed, Signed]:
    return p.descriptor("task_1", release, program="rm"), release


def native_program_in_a_wasm_release(p: SimulatedProject, release: Signed) -> tuple[Signed, Signed]:
    programs = msgspec.json.decode(release.body)["programs"]
    programs[0]["runtime"] = "native"
    signed = resigned("release", release, p.publisher, Release, programs=programs)
    return p.descriptor("task_1", signed), signed


def native_release(p: SimulatedProject, release: Signed) -> tuple[Signed, Signed]:
    signed = resigned(
        "release", release, p.publisher, Release, platform="linux-x86_64", runtime="native"
    )
    return p.descriptor("task_1", signed), signed


def container_release(p: SimulatedProject, release: Signed) -> tuple[Signed, Signed]:
    signed = resigned(
        "release", release, p.publisher, Release, platform="linux-x86_64", runtime="container"
    )
    return p.descriptor("task_1", signed), signed


def native_platform(p: SimulatedProject, release: Signed) -> tuple[Signed, Signed]:
    signed = resigned("release", release, p.publisher, Release, platform="linux-x86_64")
    return p.descriptor("task_1", signed), signed


def engine_we_do_not_have(p: SimulatedProject, release: Signed) -> tuple[Signed, Signed]:
    profile = msgspec.to_builtins(msgspec.structs.replace(current_profile(), major=9))
    signed = resigned("release", release, p.publisher, Release, profile=profile)
    return p.descriptor("task_1", signed), signed


def limits_without_end(p: SimulatedProject, release: Signed) -> tuple[Signed, Signed]:
    document = msgspec.json.decode(release.body)
    document["programs"][0]["limits"]["memory_bytes"] = 2**60
    body = msgspec.json.encode(document)
    signed = Signed(body, public_hex(p.publisher), sign_bytes("release", body, p.publisher))
    return p.descriptor("task_1", signed), signed


def input_that_climbs(p: SimulatedProject, release: Signed) -> tuple[Signed, Signed]:
    given = (TaskInput("../../etc/passwd", sha256(b"x"), 1),)
    return p.descriptor("task_1", release, inputs=given), release


def input_named_twice(p: SimulatedProject, release: Signed) -> tuple[Signed, Signed]:
    given = (TaskInput("a", sha256(b"x"), 1), TaskInput("a", sha256(b"y"), 1))
    return p.descriptor("task_1", release, inputs=given), release


def input_of_a_petabyte(p: SimulatedProject, release: Signed) -> tuple[Signed, Signed]:
    given = (TaskInput("a", sha256(b"x"), 10**15),)
    return p.descriptor("task_1", release, inputs=given), release


def seed_of_the_wrong_length(p: SimulatedProject, release: Signed) -> tuple[Signed, Signed]:
    return p.descriptor("task_1", release, seed="abcd"), release


def arguments_without_end(p: SimulatedProject, release: Signed) -> tuple[Signed, Signed]:
    return p.descriptor("task_1", release, args=("x" * 100_000,)), release


def absurd_deadline(p: SimulatedProject, release: Signed) -> tuple[Signed, Signed]:
    return p.descriptor("task_1", release, deadline_s=10**12), release


ATTACKS: list[tuple[Attack, str]] = [
    (other_projects_descriptor, "other_project"),
    (descriptor_by_a_stranger, "bad_descriptor"),
    (descriptor_by_the_publisher, "bad_descriptor"),
    (altered_arguments, "bad_descriptor"),
    (receipt_passed_off_as_a_task, "bad_descriptor"),
    (undelegated_publisher, "bad_release"),
    (publisher_of_other_apps, "bad_release"),
    (swapped_release, "no_release"),
    (release_of_another_version, "other_release"),
    (program_that_is_not_there, "no_program"),
    (native_platform, "bad_platform"),
    (native_release, "not_allowed"),
    (native_program_in_a_wasm_release, "not_allowed"),
    (container_release, "not_allowed"),
    (engine_we_do_not_have, "bad_profile"),
    (limits_without_end, "bad_release"),
    (input_that_climbs, "bad_descriptor"),
    (input_named_twice, "bad_descriptor"),
    (input_of_a_petabyte, "bad_descriptor"),
    (seed_of_the_wrong_length, "bad_descriptor"),
    (arguments_without_end, "bad_descriptor"),
    (absurd_deadline, "bad_descriptor"),
]


@pytest.mark.parametrize(("attack", "code"), ATTACKS, ids=[a.__name__ for a, _ in ATTACKS])
def test_attacks_on_tasks_and_releases(attack: Attack, code: str) -> None:
    project = SimulatedProject()
    trust = trust_of(project)
    descriptor, release = attack(project, project.add_release(MODULE))
    claimed = msgspec.json.decode(descriptor.body, type=TaskDescriptor).release
    with pytest.raises(VerifyError) as refused:
        check_descriptor(trust, descriptor, {claimed: release})
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("offered", "code"),
    [
        (("native-linux-x86_64",), ""),
        (("native-linux-aarch64",), "bad_platform"),
        (("container-linux-x86_64",), "not_allowed"),
        (("native-linux-x86_64-else", current_profile().name), "bad_platform"),
    ],
)
def test_a_native_program_runs_only_where_its_kind_and_platform_are_offered(
    offered: tuple[str, ...], code: str
) -> None:
    project = SimulatedProject()
    descriptor, release = native_release(project, project.add_release(MODULE))
    known = {release_hash(release): release}
    if not code:
        _, opened = check_descriptor(trust_of(project), descriptor, known, offered)
        assert opened.runtime == "native"
        return
    with pytest.raises(VerifyError) as refused:
        check_descriptor(trust_of(project), descriptor, known, offered)
    assert refused.value.code == code


# --- runtimes


def python_release(p: SimulatedProject, **changes: Any) -> Signed:
    """A release of a Python app for the standard runtime."""
    runtime = known_runtimes()["cpython"]
    fields = {
        "runtime": "python",
        "runtime_release": runtime.sha256,
        "profile": runtime.release.profile,
    }
    return p.add_release(MODULE, **(fields | changes))


def runtime_signed_by(key: Any, **changes: Any) -> Signed:
    return resigned("release", known_runtimes()["cpython"].signed, key, Release, **changes)


def runtime_of_a_publisher(p: SimulatedProject) -> tuple[Signed, Signed]:
    """Delegated for any name by the project's root, and still not for an interpreter."""
    runtime = runtime_signed_by(p.publisher)
    return python_release(p, runtime_release=release_hash(runtime)), runtime


def runtime_of_the_root(p: SimulatedProject) -> tuple[Signed, Signed]:
    runtime = runtime_signed_by(p.root)
    return python_release(p, runtime_release=release_hash(runtime)), runtime


def altered_runtime(p: SimulatedProject) -> tuple[Signed, Signed]:
    signed = known_runtimes()["cpython"].signed
    runtime = msgspec.structs.replace(signed, body=edited(signed, version="3.12.1"))
    return python_release(p, runtime_release=release_hash(runtime)), runtime


def runtime_not_sent(p: SimulatedProject) -> tuple[Signed, Signed]:
    return python_release(p, runtime_release="ab" * 32), known_runtimes()["cpython"].signed


def app_as_runtime(p: SimulatedProject) -> tuple[Signed, Signed]:
    app = p.add_release(MODULE)
    return python_release(p, runtime_release=release_hash(app)), app


def runtime_with_another_profile(p: SimulatedProject) -> tuple[Signed, Signed]:
    return python_release(p, profile=current_profile()), known_runtimes()["cpython"].signed


@pytest.mark.parametrize(
    ("attack", "code"),
    [
        (runtime_of_a_publisher, "bad_runtime"),
        (runtime_of_the_root, "bad_runtime"),
        (altered_runtime, "bad_runtime"),
        (runtime_not_sent, "no_release"),
        (app_as_runtime, "bad_runtime"),
        (runtime_with_another_profile, "bad_profile"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_only_the_release_key_signs_what_interprets(attack: Any, code: str) -> None:
    project = SimulatedProject()
    signed, runtime = attack(project)
    known = {release_hash(signed): signed, release_hash(runtime): runtime}
    _, release = check_descriptor(trust_of(project), project.descriptor("task_1", signed), known)
    with pytest.raises(VerifyError) as refused:
        check_runtime(release, release.programs[0], known)
    assert refused.value.code == code


def test_a_runtime_is_no_app_that_a_publisher_could_send() -> None:
    project = SimulatedProject()
    signed = project.add_release(MODULE, runtime="runtime")
    with pytest.raises(VerifyError, match="is runtime, which this client cannot run"):
        check_descriptor(
            trust_of(project), project.descriptor("task_1", signed), {release_hash(signed): signed}
        )


def test_a_python_task_needs_the_files_of_its_runtime_too() -> None:
    project = SimulatedProject()
    signed, runtime = python_release(project), known_runtimes()["cpython"]
    known = {release_hash(signed): signed, runtime.sha256: runtime.signed}
    needs = {sha256(MODULE): len(MODULE), **runtime.release.needs()}
    reply = ExchangeReply(
        server_at=0,
        next_contact_s=60,
        tasks=(TaskOffer(descriptor=project.descriptor("task_1", signed)),),
    )
    sources = {digest: f"/files/{digest}" for digest in needs}
    offers = check_reply(reply, trust_of(project), known, sources, {}, "").offers
    assert {need.sha256: need.bytes for need in offers[0].files} == needs
    assert (offers[0].runtime, offers[0].runtime_name) == (runtime.sha256, "cpython 3.12.0")
    assert offers[0].compile_bytes == runtime.interpreter.limits.memory_bytes


def test_an_honest_task_is_believed() -> None:
    project = SimulatedProject()
    release = project.add_release(MODULE)
    signed = project.descriptor("task_1", release, args=("a", "b"))
    descriptor, opened = check_descriptor(
        trust_of(project), signed, {release_hash(release): release}
    )
    assert descriptor.args == ("a", "b")
    assert opened.programs[0].module.sha256 == sha256(MODULE)


# --- receipts


@pytest.mark.parametrize(
    "change",
    [
        {"project": "ab" * 32},
        {"task": "task_2"},
        {"device": "ab" * 32},
        {"manifest": "ab" * 32},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_receipt_for_something_else_is_not_believed(change: dict[str, str]) -> None:
    project = SimulatedProject()
    fields = {
        "project": public_hex(project.root),
        "task": "task_1",
        "device": "cd" * 32,
        "manifest": "ef" * 32,
        "outcome": "success",
        "received_at": 1,
    }
    trust = trust_of(project)
    good = sign_document("receipt", Receipt(**fields), project.online)  # type: ignore[arg-type]
    check_receipt(trust, good, "task_1", "cd" * 32, "ef" * 32)
    bad = sign_document("receipt", Receipt(**{**fields, **change}), project.online)  # type: ignore[arg-type]
    with pytest.raises(VerifyError, match="names another"):
        check_receipt(trust, bad, "task_1", "cd" * 32, "ef" * 32)
    forged = sign_document("receipt", Receipt(**fields), new_key())  # type: ignore[arg-type]
    with pytest.raises(VerifyError, match="root never named"):
        check_receipt(trust, forged, "task_1", "cd" * 32, "ef" * 32)


# --- whole replies


def checked(project: SimulatedProject, **fields: Any) -> CheckedReply:
    release = project.add_release(MODULE)
    reply = ExchangeReply(server_at=1, next_contact_s=60.0, **fields)
    return check_reply(
        reply,
        trust_of(project),
        {release_hash(release): release},
        {sha256(MODULE): "/files/module"},
        {"task_1": "ef" * 32},
        "cd" * 32,
    )


def test_one_bad_offer_goes_back_and_spoils_no_other() -> None:
    project = SimulatedProject()
    release = project.add_release(MODULE)
    good = project.descriptor("task_good", release)
    bad = project.descriptor("task_bad", release, project=public_hex(new_key()))
    nonsense = Signed(b"nonsense", public_hex(project.online), b"\0" * 64)
    reply = checked(project, tasks=(TaskOffer(bad), TaskOffer(nonsense), TaskOffer(good)))
    assert [o.task for o in reply.offers] == ["task_good"]
    assert [(r.task, r.code) for r in reply.refused] == [("task_bad", "other_project")]


@pytest.mark.parametrize(
    "url",
    ["https://evil.example/x", "//evil.example/x", "file:///etc/passwd", "", "/" + "x" * 3000],
)
def test_files_come_from_the_projects_own_address_only(url: str) -> None:
    project = SimulatedProject()
    release = project.add_release(MODULE)
    given = TaskInput("data", sha256(b"data"), 4)
    signed = project.descriptor("task_1", release, inputs=(given,))
    source = FileSource(given.sha256, 4, url)
    reply = checked(project, tasks=(TaskOffer(signed, (source,)),))
    assert reply.offers == ()
    assert [(r.task, r.code) for r in reply.refused] == [("task_1", "no_source")]


def test_an_accepted_report_without_receipt_is_not_receipted() -> None:
    reply = checked(SimulatedProject(), answers=(ReportAnswer("task_1", "accepted"),))
    assert not reply.answers[0].receipted
    assert reply.answers[0].trouble == "there is no receipt"


def test_the_sizes_of_files_are_those_that_were_signed() -> None:
    """The server's word about a size would let it fill the disk."""
    project = SimulatedProject()
    release = project.add_release(MODULE)
    given = TaskInput("data", sha256(b"data"), 4)
    signed = project.descriptor("task_1", release, inputs=(given,))
    source = FileSource(given.sha256, 10**12, "/files/data")
    reply = checked(project, tasks=(TaskOffer(signed, (source,)),))
    assert {(f.sha256, f.bytes) for f in reply.offers[0].files} == {
        (sha256(MODULE), len(MODULE)),
        (given.sha256, 4),
    }
