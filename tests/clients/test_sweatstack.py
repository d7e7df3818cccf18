"""SweatStack's client, unmodified: users, tokens that act for someone, and the claims."""

import time
import uuid

import httpx2
import pytest
from conftest import MANAGER, VIEWER, decode, demo
from sweatstack import Client
from sweatstack.exceptions import (
    SweatStackAuthError,
    SweatStackBadRequestError,
    SweatStackConnectionError,
    SweatStackNotFoundError,
    SweatStackRateLimitError,
    SweatStackTokenRefreshError,
)

EVERYTHING = ["openid", "profile", "email", "data:read"]


@pytest.fixture
def connect(roster):
    """Makes clients, and closes them."""
    clients = []

    def connect(token, url=roster.url, **options):
        clients.append(Client(token, url=url, ambient_credentials=False, **options))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


@pytest.fixture
def coach(roster, connect):
    """Someone new, who may have managed users."""
    return connect(roster.sign_up(user_metadata={"full_name": "Carla Coach"}))


def own_id(client):
    return decode(client.api_key.get_secret_value())["sub"]


def share(roster, giver, taker, scopes):
    path = f"/api/v1/users/shares/{own_id(taker)}"
    roster.ask("PUT", path, giver.api_key.get_secret_value(), {"scopes": scopes})


def test_managed_users_are_made_read_renamed_and_deleted(coach):
    bob = coach.users.create(first_name="Bob", last_name="Smit")
    assert (bob.first_name, bob.last_name, bob.display_name) == ("Bob", "Smit", "Bob Smit")
    assert bob.is_managed and not bob.admin
    assert coach.users.retrieve(bob.id) == bob
    renamed = coach.users.update(bob.id, last_name="de Vries")
    assert (renamed.first_name, renamed.last_name) == ("Bob", "de Vries")
    assert coach.users.update(bob.id) == renamed
    mononym = coach.users.create(first_name="Pelé")
    assert mononym.last_name is None and mononym.display_name == "Pelé"
    coach.users.delete(bob.id)
    with pytest.raises(SweatStackNotFoundError):
        coach.users.retrieve(bob.id)
    with pytest.raises(SweatStackNotFoundError):
        coach.users.delete(bob.id)
    with pytest.raises(SweatStackNotFoundError):
        coach.users.retrieve(own_id(coach))


def test_users_are_listed_with_their_scopes(roster, connect, coach):
    athlete = connect(roster.sign_up(user_metadata={"full_name": "Anna Athlete"}))
    share(roster, athlete, coach, ["workouts:read", "openid"])
    junior = coach.users.create(first_name="Junior")
    everyone = coach.users.list()
    assert [user.id for user in everyone] == [own_id(coach), junior.id, own_id(athlete)]
    assert [user.is_managed for user in everyone] == [False, True, False]
    assert {scope.value for scope in everyone[2].scopes} == {"workouts:read", "openid"}

    def ids(**options):
        return [user.id for user in coach.users.list(**options)]

    assert ids(include_managed=False) == [own_id(coach), own_id(athlete)]
    assert ids(include_shared=False) == [own_id(coach), junior.id]
    assert ids(include_managed=False, include_shared=False) == [own_id(coach)]


@pytest.mark.parametrize(
    ("name", "sought"),
    [
        ("Straße", "STRASSE"),
        ("ﬁona", "fiona"),
        ("Fiona", "ﬁONA"),
        ("ΟΔΥΣΣΕΥΣ", "οδυσσευς"),
        ("Mañana", "AÑA"),
        ("İpek", "i̇PEK"),
    ],
)
def test_names_are_found_by_case_folding(connect, coach, name, sought):
    made = coach.users.create(first_name=name)
    coach.users.create(first_name="Somebody")
    # The client filters again: the service's own list must have the same.
    request = {"params": {"name": sought}}
    listed = coach._request("get", "/api/v1/users/", **request).json()
    assert [user["id"] for user in listed] == [made.id]
    assert [user.id for user in coach.users.list(name=sought)] == [made.id]


def test_a_name_is_found_however_its_accents_are_written(coach):
    made = coach.users.create(first_name="José")
    listed = coach._request("get", "/api/v1/users/", params={"name": "JOSE\u0301"}).json()
    assert [user["id"] for user in listed] == [made.id]
    assert coach.users.list(name="jose") == []


@pytest.mark.parametrize("word", ["t", "T", "y", "yes", "On", "1", "TRUE"])
def test_a_flag_is_on_as_its_framework_takes_it(coach, word):
    junior = coach.users.create(first_name="Junior")
    response = coach._request("get", "/api/v1/users/", params={"include_managed": word})
    assert junior.id in [user["id"] for user in response.json()]


@pytest.mark.parametrize("word", ["f", "F", "n", "no", "Off", "0", "False"])
def test_a_flag_is_off_as_its_framework_takes_it(coach, word):
    coach.users.create(first_name="Junior")
    response = coach._request("get", "/api/v1/users/", params={"include_managed": word})
    assert [user["id"] for user in response.json()] == [own_id(coach)]


@pytest.mark.parametrize("word", ["", "tr", "2", " true", "ja", "ﬀ"])
def test_no_other_word_is_a_flag(coach, word):
    with pytest.raises(SweatStackBadRequestError) as raised:
        coach._request("get", "/api/v1/users/", params={"include_shared": word})
    assert raised.value.status_code == 422
    (fault,) = raised.value.body["detail"]
    assert (fault["loc"], fault["type"]) == (["query", "include_shared"], "bool_parsing")


def test_a_client_acts_for_a_managed_user(coach):
    junior = coach.users.create(first_name="Junior")
    acting = coach.delegated_client(junior.id)
    assert own_id(acting) == junior.id and decode(acting.api_key.get_secret_value())["act"][
        "sub"
    ] == own_id(coach)
    assert acting.whoami().id == junior.id
    assert acting.principal_client().whoami().id == own_id(coach)
    assert [user.id for user in acting.users.list()] == [user.id for user in coach.users.list()]
    for refused in (
        lambda: acting.users.create(first_name="Nobody"),
        lambda: acting.delegated_client(junior.id),
        lambda: acting.oauth.userinfo(),
        lambda: acting._request("get", "/api/v1/users/"),
    ):
        with pytest.raises(SweatStackAuthError) as raised:
            refused()
        assert raised.value.status_code == 403
    coach.users.delete(junior.id)
    with pytest.raises(SweatStackAuthError) as raised:
        acting.principal_client()
    assert raised.value.status_code == 401


def test_a_client_acts_for_who_shared_until_that_ends(roster, connect, coach):
    athlete = connect(roster.sign_up())
    with pytest.raises(SweatStackAuthError) as raised:
        coach.delegated_client(own_id(athlete))
    assert raised.value.status_code == 403
    share(roster, athlete, coach, EVERYTHING)
    listed = next(user for user in coach.users.list() if user.id == own_id(athlete))
    acting = coach.delegated_client(listed)
    assert acting.whoami().id == own_id(athlete)
    team = roster.ask("GET", "/v1/account/me", athlete.api_key.get_secret_value())["team"]["id"]
    assert own_id(coach.delegated_client(listed, team_id=team)) == own_id(athlete)
    with pytest.raises(SweatStackAuthError):
        coach.delegated_client(listed, team_id=str(uuid.uuid4()))
    path = f"/api/v1/users/shares/{own_id(coach)}"
    roster.ask("DELETE", path, athlete.api_key.get_secret_value())
    with pytest.raises(SweatStackAuthError) as raised:
        acting.whoami()
    assert raised.value.status_code == 401


def test_the_claims_are_the_callers_own(connect, roster):
    client = connect(roster.token(MANAGER))
    claims = client.oauth.userinfo()
    me = client.whoami()
    assert (claims.sub, claims.name) == (MANAGER, me.display_name)
    assert (claims.given_name, claims.family_name) == (me.first_name, me.last_name)
    assert "@" in claims.email and claims.issue is None and claims.registered_at.tzinfo is not None


@pytest.mark.parametrize(
    ("scopes", "opens"),
    [
        (["openid"], set()),
        (["openid", "profile"], {"name"}),
        (["openid", "email"], {"email"}),
        (EVERYTHING, {"name", "email"}),
        (["profile", "email"], None),
    ],
)
def test_the_claims_of_someone_else_are_those_that_they_share(roster, connect, scopes, opens):
    giver, taker = connect(roster.token(VIEWER)), connect(roster.sign_up())
    own = giver.oauth.userinfo()
    share(roster, giver, taker, scopes)
    acting = taker.delegated_client(VIEWER)
    if opens is None:
        with pytest.raises(SweatStackAuthError) as raised:
            acting.oauth.userinfo()
        assert raised.value.status_code == 403
        return
    claims = acting.oauth.userinfo()
    assert (claims.sub, claims.registered_at) == (own.sub, own.registered_at)
    assert claims.email == (own.email if "email" in opens else None)
    names = (own.name, own.given_name, own.family_name) if "name" in opens else ("", None, None)
    assert (claims.name, claims.given_name, claims.family_name) == names


def test_who_has_no_name_is_not_called_by_an_email_that_is_not_shared(roster, connect):
    giver, taker = connect(roster.sign_up()), connect(roster.sign_up())
    email = giver.oauth.userinfo().email
    assert giver.oauth.userinfo().name == email
    share(roster, giver, taker, ["openid", "profile"])
    claims = taker.delegated_client(own_id(giver)).oauth.userinfo()
    assert claims.email is None and email not in claims.name


def test_errors_are_the_clients(roster, connect, coach):
    with pytest.raises(SweatStackAuthError) as raised:
        connect(roster.token(iss="https://elsewhere.example")).users.list()
    error = raised.value
    assert (error.status_code, error.method) == (401, "GET")
    assert error.request_id and isinstance(error.body["detail"], str)
    with pytest.raises(SweatStackTokenRefreshError):
        connect(roster.token(exp=int(time.time()) - 60)).users.list()
    with pytest.raises(SweatStackBadRequestError) as raised:
        coach._request("post", "/api/v1/users/", json={"first_name": 1})
    faults = {tuple(fault["loc"]): fault["type"] for fault in raised.value.body["detail"]}
    assert faults == {("body", "first_name"): "string_type", ("body", "last_name"): "missing"}
    with pytest.raises(SweatStackNotFoundError) as raised:
        coach.users.update(str(uuid.uuid4()), first_name="Nobody")
    assert raised.value.request_id
    with pytest.raises(SweatStackConnectionError):
        connect(roster.token(), url="http://127.0.0.1:9", max_retries=0).users.list()


def test_a_delete_whose_response_was_lost_is_carried_out_once(roster, connect):
    """The client sends it again, and takes the 404 for the lost response."""

    class Losing(httpx2.BaseTransport):
        def __init__(self, transport):
            self.transport, self.lost = transport, 0

        def handle_request(self, request):
            response = self.transport.handle_request(request)
            if request.method == "DELETE" and not self.lost:
                self.lost += 1
                response.read()
                raise httpx2.ReadError("lost", request=request)
            return response

    client = connect(roster.sign_up())
    made = client.users.create(first_name="Gone")
    client._pool()._transport = losing = Losing(client._pool()._transport)
    client.users.delete(made.id)
    assert losing.lost == 1 and client.users.list(include_shared=False)[1:] == []


def test_too_many_requests_are_sent_again_when_they_may_be(start_server, connect):
    limited = start_server(CALLER_REQUESTS_PER_MINUTE="4")
    token = limited.token(demo(4))
    client = connect(token, url=limited.url, max_retries=0)
    with pytest.raises(SweatStackRateLimitError) as raised:
        for _ in range(5):
            client._request("get", "/api/v1/users/")
    assert 1 <= raised.value.retry_after <= 60
    # The client waits for half a minute at most.
    time.sleep(max(0, raised.value.retry_after - 20))
    began = time.monotonic()
    patient = connect(token, url=limited.url)
    assert patient.users.list()
    assert time.monotonic() - began >= min(raised.value.retry_after, 20) - 2
