"""A story per contract, told through the API Gateway of a deployed stack."""

import json
import time

import pytest
import requests

import template as templates
from stack import Caller, Person, describe


@pytest.fixture
def ada(dev):
    """The administrator of a team of her own, who has just signed up."""
    ada = Person(dev.url, "ada")
    ada.team = ada.sign_up()["team"]["id"]
    return ada


@pytest.fixture
def operator(dev):
    """A platform operator. The first one is made in the table, as the guide says."""
    olga = Person(dev.url, "olga")
    olga.sign_up()
    dev.cloud.client("dynamodb").update_item(
        TableName=dev.outputs["TableName"],
        Key={"pk": {"S": f"USER#{olga.id}"}, "sk": {"S": "USER"}},
        UpdateExpression="SET is_operator = :true",
        ConditionExpression="attribute_exists(pk)",
        ExpressionAttributeValues={":true": {"BOOL": True}},
    )
    return olga


def test_every_function_of_the_template_is_there(dev, packaged):
    names = templates.functions(packaged)
    assert len(names) > 50
    pages = dev.cloud.client("lambda").get_paginator("list_functions").paginate()
    functions = {each["FunctionName"]: each for page in pages for each in page["Functions"]}
    resources = dev.resources
    for name in names:
        function = functions[resources[name]]
        assert function["State"] == "Active", name
        assert function["Handler"] == packaged["Resources"][name]["Properties"]["Handler"]


def test_the_service_says_that_it_is_well_and_describes_itself(dev):
    nobody = requests.Session()
    nobody.trust_env = False
    health = nobody.get(f"{dev.url}/health", timeout=30)
    assert health.status_code == 200, describe(health)
    document = nobody.get(f"{dev.url}/openapi.json", timeout=30)
    assert document.status_code == 200 and document.json()["openapi"].startswith("3.")
    unknown = nobody.get(f"{dev.url}/nothing/here", timeout=30)
    assert unknown.status_code == 404 and unknown.headers["x-request-id"], describe(unknown)
    refused = nobody.get(f"{dev.url}/v1/account/me", timeout=30)
    assert refused.status_code == 401, describe(refused)


def test_operator_and_account(dev, ada, operator):
    me = ada.get("/v1/account/me")
    assert me["user"]["email"] == ada.email
    changed = ada(200, "PATCH", "/v1/account/me", {"display_name": "Countess"}).json()
    assert "Countess" in json.dumps(changed)
    # A key is made once, however often the request arrives.
    headers = {"idempotency-key": "the story's key"}
    made = ada(201, "POST", "/v1/keys", {"name": "laptop"}, **headers)
    again = ada(201, "POST", "/v1/keys", {"name": "laptop"}, **headers)
    assert "idempotency-replayed" not in made.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json() == made.json()
    ada(422, "POST", "/v1/keys", {"name": "desktop"}, **headers)
    key = made.json()
    assert [each["id"] for each in ada.get("/v1/keys")] == [key["id"]]
    # It works, it rotates, and what is revoked works no more.
    assert Caller(dev.url, key["key"]).get("/v1/account/me")["user"]["id"] == ada.id
    rotated = ada(201, "POST", f"/v1/keys/{key['id']}/rotate").json()
    Caller(dev.url, rotated["key"]).get("/v1/account/me")
    ada(200, "DELETE", f"/v1/keys/{rotated['id']}")
    Caller(dev.url, rotated["key"])(401, "GET", "/v1/account/me")
    # A platform operator sees the account, suspends it and takes that back.
    detail = operator.get(f"/v1/admin/users/{ada.id}")
    assert detail["user"]["email"] == ada.email
    ada(403, "GET", f"/v1/admin/users/{ada.id}")
    reason = {"reason": "the story"}
    operator(200, "POST", f"/v1/admin/users/{ada.id}/suspend", reason)
    ada(403, "GET", "/v1/account/me")
    operator(200, "POST", f"/v1/admin/users/{ada.id}/unsuspend", reason)
    ada.get("/v1/account/me")
    actions = [each["action"] for each in operator.get(f"/v1/admin/users/{ada.id}/audit-log")]
    assert {"user.suspended", "user.unsuspended"} <= set(actions), actions


def test_user_admin(ada):
    email = f"nadia.{ada.id}@example.com"
    body = {"email": email, "username": "nadia", "name": "Nadia", "rootRole": 3}
    made = ada(201, "POST", "/api/admin/user-admin", body)
    path = f"/api/admin/user-admin/{made.headers['location']}"
    assert made.json()["inviteLink"].startswith("/sign-up?invite=")
    ada(400, "POST", "/api/admin/user-admin", body)
    users = ada.get("/api/admin/user-admin")["users"]
    assert {each["email"] for each in users} == {ada.email, email}
    etag = ada(200, "GET", path).headers["etag"]
    changed = ada(200, "PUT", path, {"name": "Nadia Rahman"}, if_match=etag).json()
    assert changed["name"] == "Nadia Rahman"
    ada(412, "PUT", path, {"name": "Nadia"}, if_match=etag)
    found = ada.get("/api/admin/user-admin/search?q=nad")
    assert [each["username"] for each in found] == ["nadia"]
    ada(200, "DELETE", path)
    ada(404, "GET", path)


def test_directory(dev, ada):
    nadia = Person(dev.url, "nadia")
    invite = {"details": {"email": nadia.email, "account_id": ada.team}}
    invite = ada(200, "POST", "/api/v1/admin_user_invite", invite).json()["details"]
    page = ada.get(
        f"/api/v1/admin_user?account_id={ada.team}&sorting=title&pagination[page_size]=1"
    )
    assert page["pagination"]["item_count"] == 2
    assert [each["title"] for each in page["summaries"]] == [ada.email]
    nadia.sign_up()
    invites = ada.get(f"/api/v1/admin_user_invite?account_id={ada.team}")["summaries"]
    assert [(each["id"], each["status"]) for each in invites] == [(invite["id"], "used")]
    details = {"details": {"name": "Nadia Rahman", "job_title": "Pilot"}}
    changed = ada(200, "PUT", f"/api/v1/admin_user/{nadia.id}", details).json()
    assert changed["details"]["job_title"] == "Pilot"


def test_workspace(dev, ada):
    for name, role in [("Bo", 1), ("Cy", 3), ("Di", 3)]:
        body = {"username": name.lower(), "name": name, "rootRole": role}
        ada(201, "POST", "/api/admin/user-admin", body)
    page = ada.get("/users?role=VIEWER&sortBy=name&pageSize=1&page=2")
    assert (page["total"], page["prev"], page["next"]) == (2, 1, None)
    assert [each["name"] for each in page["results"]] == ["Di"]
    assert ada.get("/users/me")["id"] == ada.id
    ada(404, "GET", "/users/00000000-0000-4000-8000-000000000000")


def test_managed_users(dev, ada):
    # The contract's path ends in a slash. AWS matches `{proxy+}` or not; MiniStack does not, so that
    # the request reaches `$default`.
    ward = ada(200, "POST", "/api/v1/users/", {"first_name": "Ward", "last_name": None}).json()
    assert [each["display_name"] for each in ada.get("/api/v1/users/")] == [ada.email, "Ward"]
    assert ada.get("/api/v1/users") == ada.get("/api/v1/users/")
    changed = ada(200, "PUT", f"/api/v1/users/{ward['id']}", {"last_name": "One"}).json()
    assert changed["display_name"] == "Ward One"
    # A token that acts for the managed user.
    token = ada(200, "POST", "/api/v1/oauth/delegated-token", {"sub": ward["id"]}).json()
    delegated = Caller(dev.url, token["access_token"])
    delegated(403, "GET", "/v1/keys")
    principal = delegated.get("/api/v1/oauth/principal-token")
    assert Caller(dev.url, principal["access_token"]).get("/v1/account/me")["user"]["id"] == ada.id
    # Sharing, both ways seen.
    bo = Person(dev.url, "bo")
    bo.sign_up()
    ada(200, "PUT", f"/api/v1/users/shares/{bo.id}", {"scopes": ["data:read"]})
    assert ada.id in [each["id"] for each in bo.get("/api/v1/users/")]
    ada(200, "DELETE", f"/api/v1/users/{ward['id']}")
    delegated(401, "GET", "/api/v1/oauth/principal-token")


def test_pages_are_right_once_the_stream_has_run(dev, stream, ada):
    names = [f"{letter}{number:02}" for number in range(20) for letter in "qxyz"]
    for name in names:
        ada(201, "POST", "/api/admin/user-admin", {"username": name, "name": name, "rootRole": 3})
    assert stream.deliver() >= len(names)
    # The counts are there, in total those of the team.
    counts = dev.cloud.client("dynamodb").scan(
        TableName=dev.outputs["TableName"],
        FilterExpression="begins_with(pk, :team)",
        ExpressionAttributeValues={":team": {"S": f"SPANS#{ada.team}#"}},
    )["Items"]
    assert counts, "the stream function wrote no counts"
    total = len(names) + 1
    for size in (7, 30):
        shown = []
        for page in range(1, total // size + 2):
            body = ada.get(f"/users?sortBy=name&pageSize={size}&page={page}")
            assert body["total"] == total
            shown += [each["name"] for each in body["results"]]
        assert len(shown) == total
        assert [name for name in shown if name in names] == sorted(names)
    assert stream.deliver() == 0


def test_a_deleted_account_is_purged_by_the_schedule(dev, operator):
    gone = Person(dev.url, "gone")
    gone.sign_up()
    gone(202, "DELETE", "/v1/account")
    gone(403, "GET", "/v1/account/me")
    assert operator.get(f"/v1/admin/users/{gone.id}")["user"]["delete_scheduled_at"]
    # The stack's schedule comes every hour. One with the same target comes at once.
    scheduler = dev.cloud.client("scheduler")
    hourly = scheduler.get_schedule(Name=dev.resources["SchedulePurgeAccountsFunctionHourly"])
    assert hourly["ScheduleExpression"] == "rate(1 hour)" and hourly["State"] == "ENABLED"
    scheduler.create_schedule(
        Name="purge-now",
        ScheduleExpression=time.strftime("at(%Y-%m-%dT%H:%M:%S)", time.gmtime()),
        FlexibleTimeWindow={"Mode": "OFF"},
        Target=hourly["Target"],
        ActionAfterCompletion="DELETE",
    )
    deadline = time.monotonic() + 60
    status = 200
    while status == 200 and time.monotonic() < deadline:
        time.sleep(0.5)
        path = f"{dev.url}/v1/admin/users/{gone.id}"
        status = operator.session.get(path, timeout=30).status_code
    lines = [each for each in dev.logs() if each.get("handler") == "schedule.purge_accounts"]
    assert status == 404, lines
    log = operator.get(f"/v1/admin/users/{gone.id}/audit-log")
    assert log[0]["action"] == "user.purged"


def test_browsers_of_the_named_origins_may_call(dev):
    headers = {
        "origin": "https://admin.example.com",
        "access-control-request-method": "PATCH",
        "access-control-request-headers": "authorization,content-type",
    }
    path = f"{dev.url}/v1/account/me"
    allowed = requests.options(path, headers=headers, timeout=30)
    assert allowed.status_code in (200, 204), describe(allowed)
    assert allowed.headers["access-control-allow-origin"] == "https://admin.example.com"
    assert "PATCH" in allowed.headers["access-control-allow-methods"]
    assert "idempotency-key" in allowed.headers["access-control-allow-headers"]
    headers["origin"] = "https://elsewhere.example.com"
    refused = requests.options(path, headers=headers, timeout=30)
    assert "access-control-allow-origin" not in refused.headers, describe(refused)
