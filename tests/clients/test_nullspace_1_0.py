"""Nullspace's SDK 1.0, unmodified: every call for accounts, keys and operators.

Version 1.0 renamed sandboxes to machines, and Roster has the names of before. Responses with such a
name are read through a transport that renames them on the way.
"""

import asyncio
import json
import re
import time
import uuid

import httpx
import pytest
from conftest import ADMIN, OPERATOR, demo
from nullspace import client as sdk
from nullspace._generated_api.nullspace_openapi_client.api.account import (
    delete_account,
    export_account,
    get_account_me,
    update_account_me,
)
from nullspace._generated_api.nullspace_openapi_client.api.admin import (
    admin_create_user_key,
    admin_get_user,
    admin_hard_delete_user,
    admin_list_quota_tiers,
    admin_search_users,
    admin_set_user_quota,
)
from nullspace._generated_api.nullspace_openapi_client.api.api_keys import (
    create_api_key,
    create_default_api_key,
    list_api_keys,
    revoke_api_key,
    rotate_api_key,
)
from nullspace._generated_api.nullspace_openapi_client.models import (
    AccountMeResponse,
    AdminCreateKeyRequest,
    AdminHardDeleteRequest,
    AdminSetQuotaRequest,
    CreateApiKeyRequest,
    ErrorResponse,
    UpdateAccountRequest,
)
from nullspace.errors import (
    AuthError,
    ConflictError,
    MachineError,
    NotFoundError,
    RateLimitError,
)


class Renaming(httpx.BaseTransport):
    """Renames sandboxes to machines in the names of a response's fields."""

    def __init__(self, transport):
        self.transport = transport

    def handle_request(self, request):
        response = self.transport.handle_request(request)
        body = response.read()
        body = re.sub(rb'"([a-z_]*)sandbox(es)?([a-z_]*)":', renamed, body)
        headers = {**response.headers, "content-length": str(len(body))}
        return httpx.Response(response.status_code, headers=headers, content=body)


def renamed(name):
    before, plural, after = (part.decode() for part in name.groups(default=b""))
    return f'"{before}machine{"s" if plural else ""}{after}":'.encode()


@pytest.fixture
def connect(roster):
    """Makes clients, and closes them."""
    clients = []

    def connect(credential, renaming=False, url=roster.url):
        client = sdk.NullspaceClient(credential, url)
        if renaming:
            client._client._transport = Renaming(client._client._transport)
        clients.append(client)
        return client.api_core

    yield connect
    for client in clients:
        client.close()


@pytest.fixture
def operator(roster, connect):
    return connect(roster.token(OPERATOR))


@pytest.fixture
def caller(roster, connect):
    """Someone new."""
    return connect(roster.sign_up())


def refusal(core, endpoint, **arguments):
    """The SDK's error. Its models take the response too, whose code is one that they know."""
    raw = endpoint.sync_detailed(client=core.generated_client, **arguments)
    with pytest.raises(MachineError) as raised:
        core.call(endpoint, **arguments)
    error = raised.value
    assert error.request_id and str(error) and error.details is None
    body = json.loads(raw.content)
    known = ErrorResponse.from_dict(body)
    assert sorted(body) == ["code", "error", "request_id"]
    assert (str(error), error.code) == (known.error, known.code.value.lower())
    return error


def test_an_account_is_read_and_changed(roster, connect):
    token = roster.sign_up(email="ann@clients.example", email_verified=True)
    core = connect(token, renaming=True)
    me = core.call(get_account_me)
    assert isinstance(me, AccountMeResponse)
    assert (me.user.email, me.email_verified) == ("ann@clients.example", True)
    assert me.session_email == "ann@clients.example"
    assert me.team.owner_user_id == me.user.id
    assert me.quota_tier.id == me.team.quota_tier_id == me.user.quota_tier_id
    assert me.quota_tier.max_concurrent_machines > 0 and me.quota_usage == []

    body = UpdateAccountRequest(display_name="Ann", avatar_url="https://avatars.example/ann.png")
    changed = core.call(update_account_me, body=body)
    assert (changed.user.display_name, changed.user.avatar_url) == ("Ann", body.avatar_url)
    assert (changed.email_verified, changed.session_email) == (True, "ann@clients.example")
    # Null clears it.
    assert (
        core.call(update_account_me, body=UpdateAccountRequest(avatar_url=None)).user.avatar_url
        is None
    )
    assert core.call(get_account_me).user.display_name == "Ann"


def test_an_email_that_nobody_proved_is_not_verified(roster, connect):
    token = roster.sign_up(email="bob@clients.example", email_verified=False)
    me = connect(token, renaming=True).call(get_account_me)
    assert (me.email_verified, me.session_email) == (False, "bob@clients.example")


def test_a_key_reads_the_account_without_a_session(roster, connect):
    core = connect(roster.sign_up())
    key = core.call(create_api_key, body=CreateApiKeyRequest(name="reader")).key
    me = connect(key, renaming=True).call(get_account_me)
    assert me.session_email is None


def test_keys_are_made_listed_rotated_and_revoked(caller):
    made = caller.call(create_api_key, body=CreateApiKeyRequest(name="ci", scope="Build & deploy"))
    assert made.key.startswith("ns_live_") and made.prefix == made.key[:12]
    assert (made.name, made.scope) == ("ci", "Build & deploy")
    usual = caller.call(create_api_key, body=CreateApiKeyRequest())
    assert usual.name is None and usual.scope

    new = caller.call(
        rotate_api_key, id=made.id, body=CreateApiKeyRequest(name="ci 2", scope="deploy")
    )
    assert (new.name, new.scope) == ("ci 2", "deploy") and new.id != made.id and new.key != made.key
    # What is left out stays.
    again = caller.call(rotate_api_key, id=new.id, body=CreateApiKeyRequest())
    assert (again.name, again.scope) == ("ci 2", "deploy")

    listed = {key.id: key for key in caller.call(list_api_keys)}
    assert set(listed) == {made.id, usual.id, new.id, again.id}
    assert listed[new.id].rotation_parent_key_id == made.id
    assert listed[again.id].is_active and listed[again.id].last_used_at is None

    assert caller.call(revoke_api_key, id=usual.id).success
    assert caller.call(revoke_api_key, id=usual.id).success
    gone = next(key for key in caller.call(list_api_keys) if key.id == usual.id)
    assert not gone.is_active and gone.revoked_at is not None


def test_the_default_key_is_made_once(caller):
    first = caller.call(create_default_api_key)
    assert first.created and first.key.startswith("ns_live_")
    second = caller.call(create_default_api_key)
    assert not second.created and not second.key
    assert (second.id, second.prefix) == (first.id, first.prefix)


def test_a_rotated_key_works_on_and_a_revoked_one_does_not(caller, connect):
    made = caller.call(create_api_key, body=CreateApiKeyRequest())
    new = caller.call(rotate_api_key, id=made.id, body=CreateApiKeyRequest())
    for key in (made, new):
        assert connect(key.key).call(list_api_keys)
    caller.call(revoke_api_key, id=new.id)
    with pytest.raises(AuthError):
        connect(new.key).call(list_api_keys)


def test_the_export_has_keys_as_rows(roster, connect):
    token = roster.sign_up()
    core = connect(token)
    made = core.call(create_api_key, body=CreateApiKeyRequest(name="ci", scope="deploy"))
    sandbox = roster.ask("POST", "/v1/sandboxes", token, {"template": "base"})
    export = connect(token, renaming=True).call(export_account)
    (row,) = export.api_keys
    assert (row.id, row.key_prefix, row.name) == (made.id, made.prefix, "ci")
    assert (row.user_id, row.team_id) == (export.user.id, export.team.id)
    assert (row.scope, row.is_active, row.revoked_at) == ("deploy", True, None)
    assert [machine["id"] for machine in export.machines] == [sandbox["id"]]
    assert [day.machine_creates for day in export.quota_usage] == [1]
    raw = core.call_detailed(export_account, _parse=False).content.decode()
    assert made.key not in raw and "sha256" not in raw and '"prefix"' not in raw


def test_an_account_is_deleted_and_then_refused(roster, connect):
    core = connect(roster.sign_up())
    deleted = core.call(delete_account)
    assert deleted.success and deleted.scheduled_hard_delete_at is not None
    assert refusal(core, list_api_keys).code == "account_deleted"


def test_operators_find_users(operator):
    everyone = operator.call(admin_search_users)
    assert len(everyone) == 25
    assert len(operator.call(admin_search_users, limit=100)) > 25
    (found,) = operator.call(admin_search_users, query=ADMIN)
    assert str(found.id) == ADMIN
    assert found.id in [
        user.id for user in operator.call(admin_search_users, query=found.email[:8].upper())
    ]
    assert operator.call(admin_search_users, query="nobody has this name") == []


def test_operators_see_an_account(roster, connect):
    core = connect(roster.token(OPERATOR), renaming=True)
    detail = core.call(admin_get_user, user_id=uuid.UUID(ADMIN))
    assert str(detail.user.id) == ADMIN and detail.team.id and detail.quota_tier.id
    assert detail.api_keys and detail.quota_usage
    assert {machine.status for machine in detail.machines} == {
        "creating",
        "running",
        "paused",
        "destroyed",
    }


def test_operators_set_quotas(roster, connect):
    core = connect(roster.token(OPERATOR), renaming=True)
    someone = roster.sign_up()
    user = uuid.UUID(str(connect(someone, renaming=True).call(get_account_me).user.id))
    tiers = core.call(admin_list_quota_tiers)
    assert len(tiers) > 1 and all(tier.daily_machine_creates >= 0 for tier in tiers)
    for tier in tiers:
        detail = core.call(admin_set_user_quota, user_id=user, body=AdminSetQuotaRequest(tier.id))
        assert (detail.user.quota_tier_id, detail.quota_tier) == (tier.id, tier)
    error = refusal(
        core, admin_set_user_quota, user_id=user, body=AdminSetQuotaRequest("no such tier")
    )
    assert error.code == "invalid_request" and "quota_tier_id" in str(error)


def test_operators_make_keys(operator, connect, roster):
    someone = connect(roster.sign_up(), renaming=True)
    user = uuid.UUID(str(someone.call(get_account_me).user.id))
    made = operator.call(
        admin_create_user_key, user_id=user, body=AdminCreateKeyRequest(name="support")
    )
    assert (made.scope, made.name, made.prefix) == ("operator", "support", made.key[:12])
    assert operator.call(admin_create_user_key, user_id=user).name is None
    assert len(someone.call(list_api_keys)) == 2


def test_operators_erase_an_account(operator, connect, roster):
    token = roster.sign_up()
    someone = connect(token, renaming=True)
    user = uuid.UUID(str(someone.call(get_account_me).user.id))
    assert (
        refusal(operator, admin_hard_delete_user, user_id=user).code == "account_not_soft_deleted"
    )
    sandbox = roster.ask("POST", "/v1/sandboxes", token, {"template": "base"})
    someone.call(delete_account)
    error = refusal(operator, admin_hard_delete_user, user_id=user)
    assert error.code == "account_hard_delete_active_resources" and "sandboxes" in str(error)
    roster.ask("POST", "/v1/account/restore", token)
    roster.ask("DELETE", f"/v1/sandboxes/{sandbox['id']}", token)
    someone.call(delete_account)
    body = AdminHardDeleteRequest(reason="Asked to be forgotten at once")
    erased = operator.call(admin_hard_delete_user, user_id=user, body=body)
    assert erased.deleted and erased.user_id == user
    assert refusal(operator, admin_get_user, user_id=user).code == "account_not_found"


def test_errors_are_those_that_the_sdk_knows(roster, connect, caller, operator):
    nobody = uuid.uuid4()
    error = refusal(connect(roster.token()), list_api_keys)
    assert isinstance(error, AuthError) and error.code == "unauthorized"
    error = refusal(connect("ns_live_no_such_key"), list_api_keys)
    assert isinstance(error, AuthError)
    assert refusal(caller, admin_search_users).code == "operator_required"
    error = refusal(operator, admin_get_user, user_id=nobody)
    assert isinstance(error, NotFoundError) and error.code == "account_not_found"
    error = refusal(caller, revoke_api_key, id=nobody)
    assert isinstance(error, NotFoundError) and error.code == "not_found"

    made = caller.call(create_api_key, body=CreateApiKeyRequest())
    caller.call(rotate_api_key, id=made.id, body=CreateApiKeyRequest())
    error = refusal(caller, rotate_api_key, id=made.id, body=CreateApiKeyRequest())
    assert isinstance(error, ConflictError) and error.code == "transition_conflict"

    key = connect(made.key)
    assert isinstance(refusal(key, create_api_key, body=CreateApiKeyRequest()), AuthError)

    # Every fault of the input is told.
    body = CreateApiKeyRequest(name="", scope="s" * 65)
    error = refusal(caller, create_api_key, body=body)
    assert error.code == "invalid_request" and "`name`" in str(error) and "`scope`" in str(error)
    error = refusal(operator, admin_search_users, limit=101)
    assert error.code == "invalid_request" and "`limit`" in str(error)


def test_the_word_operator_is_for_platform_operators(caller, operator):
    error = refusal(caller, create_api_key, body=CreateApiKeyRequest(scope="operator"))
    assert error.code == "invalid_request" and "`scope`" in str(error)
    assert (
        operator.call(create_api_key, body=CreateApiKeyRequest(scope="operator")).scope
        == "operator"
    )


def test_a_suspended_person_is_locked_out(roster, connect, operator):
    token = roster.sign_up()
    someone = connect(token, renaming=True)
    user = someone.call(get_account_me).user.id
    roster.ask(
        "POST", f"/v1/admin/users/{user}/suspend", roster.token(OPERATOR), {"reason": "spam"}
    )
    assert refusal(someone, list_api_keys).code == "auth_locked"


def test_calls_run_in_a_loop_too(roster):
    async def keys():
        client = sdk.AsyncNullspaceClient(roster.sign_up(), roster.url)
        try:
            made = await client.api_core.call(create_default_api_key)
            return made, await client.api_core.call(list_api_keys)
        finally:
            await client.close()

    made, listed = asyncio.run(keys())
    assert made.created and [key.id for key in listed] == [made.id]


def test_too_many_requests_are_sent_again_when_they_may_be(start_server, connect):
    limited = start_server(CALLER_REQUESTS_PER_MINUTE="4")
    core = connect(limited.token(demo(4)), url=limited.url)
    with pytest.raises(RateLimitError) as raised:
        for _ in range(5):
            core.call(list_api_keys, _retry_on_rate_limit=0)
    assert 1 <= raised.value.retry_after <= 60 and raised.value.request_id
    start_of_wait = time.monotonic()
    core.call(list_api_keys)
    assert time.monotonic() - start_of_wait >= raised.value.retry_after - 2
