"""What the tests of published clients share: a local server with the demo data, and tokens for it.

    cargo build --workspace --locked
    pip install -r tests/clients/sweatstack.txt
    pytest tests/clients/test_sweatstack.py

Each client has an environment of its own, as two versions of one client do not fit into one.
"""

import base64
import hashlib
import hmac
import json
import os
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# What the local server verifies tokens with, and expects of them. README names these.
SECRET = b"local-development-secret-do-not-deploy"
ISSUER = "http://localhost/auth/v1"
AUDIENCE = "authenticated"


def demo(number):
    """The id of a user of the demo data."""
    return str(uuid.UUID(f"00000000-0000-4000-8000-{number:012x}"))


OPERATOR, ADMIN, VIEWER, MANAGER = demo(1), demo(2), demo(5), demo(6)


def pytest_addoption(parser):
    parser.addoption(
        "--local", default=ROOT / "target/debug/local", type=Path, help="the local server's program"
    )


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def sign(claims):
    """A token of the identity provider, as Supabase Auth signs them with a shared secret."""
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
    signed = b".".join(map(base64url, parts))
    signature = hmac.new(SECRET, signed, hashlib.sha256).digest()
    return b".".join([signed, base64url(signature)]).decode()


class Roster:
    """A local server of its own, with demo data in a fresh folder."""

    def __init__(self, program, folder, **settings):
        environment = {"PATH": os.environ["PATH"], "RUST_LOG": "error", **settings}
        self.process = subprocess.Popen(
            [program.resolve(), "--port", "0"],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for line in self.process.stdout:
            if line.startswith("listening on "):
                self.url = line.removeprefix("listening on ").strip()
                return
        raise AssertionError(f"the local server does not start: {self.process.wait()}")

    def end(self):
        self.process.terminate()
        self.process.wait(30)

    def token(self, user=None, **claims):
        """A token for a user, or for someone new."""
        user = user or str(uuid.uuid4())
        now = int(time.time())
        usual = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "role": "authenticated",
            "sub": user,
            "email": f"{user}@example.com",
            "iat": now,
            "exp": now + 3600,
        }
        return sign({**usual, **claims})

    def ask(self, method, path, token, body=None):
        """Asks for what a client has no call for. Returns the response's body."""
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read()}") from error

    def sign_up(self, **claims):
        """A token of someone new, who has signed up."""
        token = self.token(**claims)
        self.ask("POST", "/v1/account", token)
        return token


@pytest.fixture(scope="session")
def start_server(request, tmp_path_factory):
    """Starts a server with these settings."""
    servers = []

    def start(**settings):
        program = request.config.getoption("local")
        servers.append(Roster(program, tmp_path_factory.mktemp("roster"), **settings))
        return servers[-1]

    yield start
    for server in servers:
        server.end()


@pytest.fixture(scope="session")
def roster(start_server):
    return start_server()


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """Keeps the clients from credentials and files of whoever runs the tests."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in list(os.environ):
        if name.startswith(("NULLSPACE_", "SWEATSTACK_", "XDG_")):
            monkeypatch.delenv(name)


def decode(token):
    """The claims of a token, unverified."""
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
