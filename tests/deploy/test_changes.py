"""Changes of a stack: an update reaches callers, a bad one goes back, a deletion spares the users."""

import copy

import pytest
import requests

from stack import Person, Stack


@pytest.fixture(scope="module")
def prod(deploy, dev):
    """A stack of the stage prod. It stands beside that of the stage dev, in one account."""
    return deploy("roster-prod", Stage="prod")


@pytest.fixture(scope="module")
def ada(prod):
    ada = Person(prod.url, "ada")
    ada.sign_up()
    return ada


def invite_link(person, name):
    """The link by which a new user of the caller's team signs up."""
    body = {"username": name, "rootRole": 3}
    return person(201, "POST", "/api/admin/user-admin", body).json()["inviteLink"]


def failing(packaged, *names):
    """A template that fails when these resources are done: it waits for a signal that none sends."""
    bad = copy.deepcopy(packaged)
    bad["Resources"]["Nobody"] = {"Type": "AWS::CloudFormation::WaitConditionHandle"}
    bad["Resources"]["Waiting"] = {
        "Type": "AWS::CloudFormation::WaitCondition",
        "DependsOn": list(names),
        "Properties": {"Handle": {"Ref": "Nobody"}, "Timeout": "1"},
    }
    return bad


def test_an_update_reaches_callers(prod, ada):
    assert invite_link(ada, "first").startswith("/sign-up?invite=")
    url = "https://app.example.com/welcome"
    assert prod.update(SignUpUrl=url) == "UPDATE_COMPLETE"
    assert invite_link(ada, "second").startswith(f"{url}?invite=")
    # The limit counts the caller's requests of a minute, whichever function takes them. The four
    # may fall into two minutes.
    assert prod.update(CallerRequestsPerMinute="1") == "UPDATE_COMPLETE"
    address = f"{prod.url}/v1/account/me"
    statuses = [ada.session.get(address, timeout=30).status_code for _ in range(4)]
    assert 429 in statuses, statuses
    assert prod.update(CallerRequestsPerMinute="0") == "UPDATE_COMPLETE"
    ada.get("/v1/account/me")


def test_a_bad_update_rolls_back(prod, ada):
    before = invite_link(ada, "third").split("?")[0]
    # The update fails once the function that makes the links has changed.
    bad = failing(prod.packaged, "UserAdminCreateUserFunction")
    count = len(prod.events())
    assert prod.update(bad, SignUpUrl="https://wrong.example.com") == "UPDATE_ROLLBACK_COMPLETE"
    events = prod.events()[count:]
    changes = [status for name, status, _ in events if name == "UserAdminCreateUserFunction"]
    assert changes.count("UPDATE_COMPLETE") == 2, changes
    assert invite_link(ada, "fourth").split("?")[0] == before
    # What rolled back can be updated again.
    assert prod.update(SignUpUrl="https://right.example.com") == "UPDATE_COMPLETE"
    assert invite_link(ada, "fifth").startswith("https://right.example.com?invite=")


def test_a_failed_first_deployment_leaves_no_table(cloud, packaged, dev):
    tables = cloud.client("dynamodb")
    before = set(tables.list_tables()["TableNames"])
    bad = failing(packaged, "Table", "PlatformGetHealthFunction")
    # MiniStack deletes protected tables with a stack, AWS does not: so this is no stack of prod.
    stack = Stack(cloud, bad, "roster-bad", Stage="dev", Architecture=dev.parameters["Architecture"])
    assert stack.create() == "ROLLBACK_COMPLETE", stack.events()[-3:]
    assert set(tables.list_tables()["TableNames"]) == before


# The last test of this stack: nothing is left of it but the users.
def test_a_deletion_spares_the_users(prod, ada):
    tables = prod.cloud.client("dynamodb")
    table, url, resources = prod.outputs["TableName"], prod.url, prod.resources
    assert prod.delete() == "DELETE_COMPLETE"
    key = {"pk": {"S": f"USER#{ada.id}"}, "sk": {"S": "USER"}}
    assert tables.get_item(TableName=table, Key=key)["Item"]["email"]["S"] == ada.email
    assert tables.describe_table(TableName=table)["Table"]["DeletionProtectionEnabled"]
    assert requests.get(f"{url}/health", timeout=30).status_code == 404
    functions = prod.cloud.client("lambda")
    with pytest.raises(functions.exceptions.ResourceNotFoundException):
        functions.get_function(FunctionName=resources["PlatformGetHealthFunction"])
    logs = prod.cloud.client("logs")
    groups = logs.describe_log_groups(logGroupNamePrefix="/roster/prod/")["logGroups"]
    assert groups == []
