"""`sam local invoke` as README has it, up to the container: SAM's own code decides which variables the
function gets, and the function that `sam build` made starts with them."""

import base64
import hashlib
import hmac
import http.server
import json
import os
import queue
import re
import subprocess
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = Path(os.environ.get("ROSTER_TOOLS", Path.home() / ".cache/roster-tools"))
FUNCTION = "WorkspaceListUsersFunction"
HANDLER = "workspace.list_users"
EVENT = ROOT / "events/workspace/list_users.json"
SECRETS = ["JWT_SECRET", "SIGNING_SECRET", "RESPONSE_SECRET"]

# What `sam local invoke` does before it starts a container.
RESOLVE = """
import json, sys
from samcli.commands.local.lib.local_lambda import LocalLambdaRunner
from samcli.lib.providers.sam_function_provider import SamFunctionProvider
from samcli.lib.providers.sam_stack_provider import SamLocalStackProvider
template, function, variables = sys.argv[1:]
stacks, _ = SamLocalStackProvider.get_stacks(template)
functions = SamFunctionProvider(stacks)
runner = LocalLambdaRunner(
    local_runtime=None, function_provider=functions, cwd=".", aws_profile=None, aws_region=None,
    real_path=".",
    env_vars_values=json.loads(variables),
)
print(json.dumps(runner._make_env_vars(functions.get(function)).resolve()))
"""


def sam_python():
    """The Python of the newest SAM CLI among the tools."""
    found = sorted(TOOLS.glob("aws-sam-cli-*/bin/python"))
    assert found, f"{TOOLS} has no aws-sam-cli: .ci/run installs it"
    return found[-1]


def in_readme():
    """The env.json that README says to write."""
    found = re.search(r"echo '(\{.*?\})' > env\.json", (ROOT / "README.md").read_text(), re.DOTALL)
    assert found, "README writes no env.json"
    return json.loads(found[1])


def resolve(variables, template=ROOT / "template.yaml"):
    """The environment that SAM gives the function, by the variables of an env.json."""
    credentials = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    environment = {"PATH": os.environ["PATH"], "AWS_DEFAULT_REGION": "us-east-1", **credentials}
    arguments = [sam_python(), "-c", RESOLVE, template, FUNCTION, json.dumps(variables)]
    output = subprocess.run(arguments, env=environment, capture_output=True, text=True)
    assert output.returncode == 0, output.stderr
    return json.loads(output.stdout.splitlines()[-1])


def test_sam_passes_on_all_that_readme_sets(tmp_path):
    written = in_readme()["Parameters"]
    got = resolve(in_readme())
    assert {name: got.get(name) for name in written} == written
    # What README does not set is empty, which counts as unset.
    assert [got[name] for name in SECRETS[1:]] == ["", ""]
    # A variable that the template does not declare is dropped: that is what is held here.
    template = (ROOT / "template.yaml").read_text()
    less = tmp_path / "template.yaml"
    less.write_text(re.sub(r'^ +JWT_SECRET: ""\n', "", template, flags=re.MULTILINE))
    assert "JWT_SECRET" not in resolve(in_readme(), less)


def test_each_secret_can_be_set_by_itself():
    for name in SECRETS:
        assert resolve({"Parameters": {name: "x" * 32}})[name] == "x" * 32


class Runtime(http.server.BaseHTTPRequestHandler):
    """Lambda's Runtime API, for one function."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        event = self.server.events.get()
        self.send_response(200)
        self.send_header("lambda-runtime-aws-request-id", "00000000-0000-4000-8000-00000000e001")
        self.send_header("lambda-runtime-deadline-ms", "4102444800000")
        arn = "arn:aws:lambda:us-east-1:123456789012:function:roster"
        self.send_header("lambda-runtime-invoked-function-arn", arn)
        self.send_header("content-length", str(len(event)))
        self.end_headers()
        self.wfile.write(event)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.answers.put((self.path, json.loads(body)))
        self.send_response(202)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def runtime():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Runtime)
    server.daemon_threads = True
    server.events, server.answers = queue.Queue(), queue.Queue()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def bootstrap(built):
    """The binary that `sam build` made for the function."""
    found = sorted(built.rglob("bootstrap"))
    assert found, f"{built} holds no bootstrap"
    return found[0]


def start(binary, environment, runtime):
    address = "127.0.0.1:%d" % runtime.server_address[1]
    # No DynamoDB answers there: a request whose token is good gets as far as that.
    own = {"AWS_LAMBDA_RUNTIME_API": address, "AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:1"}
    return subprocess.Popen(
        [binary], env={**environment, **own, "_HANDLER": HANDLER}, stdout=subprocess.PIPE, text=True
    )


def token(secret):
    """The token of README's event, signed with another secret."""
    head, claims, _ = json.loads(EVENT.read_text())["headers"]["authorization"].split()[1].split(".")
    signed = f"{head}.{claims}"
    mac = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def test_the_function_starts_and_takes_the_tokens_of_the_events(built, runtime):
    event = json.loads(EVENT.read_text())
    function = start(bootstrap(built), resolve(in_readme()), runtime)
    try:
        for secret, status in [(in_readme()["Parameters"]["JWT_SECRET"], 503), ("x" * 32, 401)]:
            event["headers"]["authorization"] = f"Bearer {token(secret)}"
            runtime.events.put(json.dumps(event).encode())
            path, answer = runtime.answers.get(timeout=20)
            assert path.endswith("/response"), answer
            assert answer["statusCode"] == status, answer
    finally:
        function.kill()
        function.wait()


def test_the_cloud_refuses_a_secret_in_a_variable(built, runtime):
    environment = resolve(in_readme())
    assert environment.pop("AWS_SAM_LOCAL") == "true"
    function = start(bootstrap(built), environment, runtime)
    log, _ = function.communicate(timeout=20)
    assert function.returncode == 1
    assert "JWT_SECRET holds the secret itself" in log
