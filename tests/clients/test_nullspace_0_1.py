"""Nullspace's SDK 0.1, unmodified: its calls for sandboxes, as far as Roster counts them.

What takes a running sandbox (commands, files, snapshots, previews) is no part of Roster's contract.
"""

import asyncio
import time
import uuid

import pytest
from conftest import demo
from nullspace import AsyncSandbox, Sandbox
from nullspace.client import NullspaceClient
from nullspace.errors import (
    AuthError,
    ConflictError,
    NotFoundError,
    QuotaExceededError,
    RateLimitError,
    SandboxError,
)
from nullspace.types import SandboxListState, SandboxQuery, SandboxStatus


@pytest.fixture
def access(roster):
    """What the calls of someone new take."""
    return {"api_key": roster.sign_up(), "base_url": roster.url}


def start(roster, access, sandbox):
    """The platform says that it runs."""
    path = f"/v1/sandboxes/{sandbox.id}"
    roster.ask("PATCH", path, access["api_key"], {"status": "running"})


def test_a_sandbox_is_made_looked_at_and_killed(roster, access):
    with Sandbox.create(
        "python-3.13",
        vcpus=4,
        memory_mb=1024,
        disk_mb=2048,
        timeout=600,
        metadata={"job": "report"},
        **access,
    ) as sandbox:
        info = sandbox._info
        assert info.status == SandboxStatus.CREATING and info.template == "python-3.13"
        assert (info.config.vcpus, info.config.memory_mb, info.timeout_ms) == (4, 1024, 600_000)
        assert info.metadata == {"job": "report"} and info.created_at is not None
        assert sandbox.get_info() == info and not sandbox.is_running()
        start(roster, access, sandbox)
        assert sandbox.is_running() and sandbox.get_info().started_at is not None
        connected = Sandbox.connect(sandbox.id, **access)
        assert connected.is_running()
        assert Sandbox.get_info_by_id(sandbox.id, **access).id == sandbox.id
        assert sandbox.get_info(fields=["id", "status"]) == {"id": sandbox.id, "status": "running"}
        connected.close()
    # It is killed where the block ends.
    assert Sandbox.get_info_by_id(sandbox.id, **access).status == SandboxStatus.DESTROYED
    Sandbox.kill_by_id(sandbox.id, **access)


def test_the_usual_sandbox_is_made(access):
    sandbox = Sandbox.create(**access)
    assert sandbox._info.template == "base"
    assert (sandbox._info.config.vcpus, sandbox._info.config.memory_mb) == (2, 512)
    sandbox.kill()


def test_sandboxes_are_listed_in_pages(roster, access):
    made = [
        Sandbox.create("base" if n % 2 else "node-24", metadata={"n": n}, **access)
        for n in range(5)
    ]
    newest_first = [sandbox.id for sandbox in reversed(made)]
    assert [info.id for info in Sandbox.list(**access)] == newest_first
    page = Sandbox.list(limit=2, **access)
    assert [info.id for info in page.items] == newest_first[:2] and page.has_next
    assert [info.id for info in page.next_items()] == newest_first[2:4] and page.has_next
    assert [info.id for info in page.next_items()] == newest_first[4:] and not page.has_next
    assert page.next_items() == []
    assert [info.id for info in Sandbox.list(limit=2, **access)] == newest_first
    exact = Sandbox.list(limit=5, **access)
    assert len(exact) == 5 and not exact.has_next and exact.next_token is None

    start(roster, access, made[3])
    made[4].kill()
    assert [info.id for info in Sandbox.list(state=SandboxListState.RUNNING, **access)] == [
        made[3].id
    ]
    assert made[4].id not in [info.id for info in Sandbox.list(**access)]

    def found(**query):
        query = SandboxQuery(**query)
        return [info.id for info in Sandbox.list(query=query, limit=1, **access)]

    assert found(state=[SandboxStatus.DESTROYED, SandboxStatus.RUNNING]) == [made[4].id, made[3].id]
    assert found(state=[SandboxStatus.ERROR]) == []
    assert found(template="base") == [made[3].id, made[1].id]
    assert found(template="node-24", metadata={"n": 2}) == [made[2].id]
    assert found(metadata={"n": "2"}) == []
    rows = Sandbox.list(fields=["id", "status"], **access)
    assert rows[0] == {"id": made[3].id, "status": "running"} and len(rows) == 4
    for sandbox in made[:4]:
        sandbox.kill()


def test_sandboxes_of_others_are_not_seen(roster, access):
    sandbox = Sandbox.create(**access)
    other = {**access, "api_key": roster.sign_up()}
    assert list(Sandbox.list(**other)) == []
    assert list(Sandbox.list(next_token=sandbox.id, **other)) == []
    for call in (Sandbox.get_info_by_id, Sandbox.connect, Sandbox.kill_by_id):
        with pytest.raises(NotFoundError) as raised:
            call(sandbox.id, **other)
        assert raised.value.code == "not_found"
    sandbox.kill()


def test_a_create_that_is_sent_again_makes_one_sandbox(access):
    key = str(uuid.uuid4())
    first = Sandbox.create(idempotency_key=key, **access)
    second = Sandbox.create(idempotency_key=key, **access)
    assert first.id == second.id and len(Sandbox.list(**access)) == 1
    first.kill()


def test_a_key_makes_sandboxes(roster, access):
    key = roster.ask("POST", "/v1/keys", access["api_key"], {"name": "sandboxes"})["key"]
    by_key = {**access, "api_key": key}
    sandbox = Sandbox.create(**by_key)
    assert [info.id for info in Sandbox.list(**by_key)] == [sandbox.id]
    sandbox.kill()
    reader = roster.ask("POST", "/v1/keys", access["api_key"], {"permissions": ["account:read"]})
    with pytest.raises(AuthError):
        Sandbox.list(**{**access, "api_key": reader["key"]})


def test_a_quota_that_is_used_up_is_told_at_once(access):
    made = []
    began = time.monotonic()
    with pytest.raises(QuotaExceededError) as raised:
        for _ in range(100):
            made.append(Sandbox.create(**access))
    assert raised.value.code == "quota_exceeded" and f"({len(made)}/{len(made)})" in str(
        raised.value
    )
    assert made and time.monotonic() - began < 10
    made.pop().kill()
    made.append(Sandbox.create(**access))
    for sandbox in made:
        sandbox.kill()


def test_errors_are_the_sdks(roster, access):
    with pytest.raises(AuthError) as raised:
        Sandbox.list(api_key="ns_live_no_such_key", base_url=roster.url)
    assert raised.value.code == "unauthorized" and raised.value.request_id
    with pytest.raises(SandboxError) as raised:
        Sandbox.create(vcpus=0, memory_mb=-1, metadata={"": 1}, **access)
    assert raised.value.code == "invalid_request" and raised.value.request_id
    for name in ("vcpus", "memory_mb", "metadata"):
        assert f"`{name}`" in str(raised.value)
    with pytest.raises(SandboxError) as raised:
        Sandbox.list(limit=0, query=SandboxQuery(state=[]), **access)
    assert raised.value.code == "invalid_request" and "`limit`" in str(raised.value)


@pytest.mark.parametrize(
    "setting",
    [
        {"cwd": "/workspace"},
        {"envs": {"A": "1"}},
        {"internet_access": False},
        {"network": {"deny_out": ["0.0.0.0/0"]}},
        {"auto_resume": True},
        {"on_timeout": "pause"},
        {"timeout_action": "hibernate"},
    ],
)
def test_a_setting_that_would_be_lost_is_refused(access, setting):
    with pytest.raises(SandboxError) as raised:
        Sandbox.create(**setting, **access)
    (name,) = setting
    sent = {"on_timeout": "lifecycle"}.get(name, name)
    assert raised.value.code == "invalid_request" and f"`{sent}`" in str(raised.value)
    assert len(Sandbox.list(**access)) == 0


def test_a_destroyed_sandbox_is_not_run_again(access):
    sandbox = Sandbox.create(**access)
    Sandbox.kill_by_id(sandbox.id, **access)
    client = NullspaceClient(**access)
    with pytest.raises(ConflictError) as raised:
        client.request("PATCH", f"/v1/sandboxes/{sandbox.id}", json={"status": "running"})
    assert raised.value.code == "transition_conflict"
    client.close()


def test_calls_run_in_a_loop_too(access):
    async def life():
        sandbox = await AsyncSandbox.create(metadata={"job": "async"}, **access)
        listed = [info.id async for info in await AsyncSandbox.list(limit=1, **access)]
        info = await sandbox.get_info()
        await sandbox.kill()
        left = await AsyncSandbox.list(**access)
        return sandbox.id, listed, info.metadata, len(left)

    id, listed, metadata, left = asyncio.run(life())
    assert (listed, metadata, left) == ([id], {"job": "async"}, 0)


def test_too_many_requests_are_sent_again_when_they_may_be(start_server):
    limited = start_server(CALLER_REQUESTS_PER_MINUTE="4")
    access = {"api_key": limited.token(demo(4)), "base_url": limited.url}
    client = NullspaceClient(**access)
    with pytest.raises(RateLimitError) as raised:
        for _ in range(5):
            client.request("GET", "/v1/sandboxes", _retry_on_rate_limit=0)
    client.close()
    assert 1 <= raised.value.retry_after <= 60
    began = time.monotonic()
    Sandbox.list(**access)
    assert time.monotonic() - began >= raised.value.retry_after - 2
