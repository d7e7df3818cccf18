"""A deployed stack."""

import base64
import hashlib
import hmac
import json
import time
import uuid
from datetime import datetime
from types import SimpleNamespace

import requests

import template as templates

BUCKET = "artifacts"
ISSUER = "https://identity.example.com/auth/v1"
SECRET = "the secret of an identity provider that exists in these tests only"


class Stack:
    """A stack of this name in MiniStack."""

    def __init__(self, cloud, packaged, name, **parameters):
        """Names it. `packaged` is the template as `sam package` leaves it."""
        self.cloud = cloud
        self.packaged = packaged
        self.name = name
        self.parameters = {"JwtIssuer": ISSUER, "JwtSecretArn": secret(cloud), **parameters}
        self.formation = cloud.client("cloudformation")

    def create(self):
        self.formation.create_stack(**self._request())
        return self._wait()

    def update(self, packaged=None, **parameters):
        """Updates it to other parameters, or to another template."""
        before = self.packaged, self.parameters
        self.packaged, self.parameters = packaged or self.packaged, self.parameters | parameters
        self.formation.update_stack(**self._request())
        status = self._wait()
        if status != "UPDATE_COMPLETE":
            self.packaged, self.parameters = before
        return status

    def delete(self):
        id = self._describe()["StackId"]
        self.formation.delete_stack(StackName=self.name)
        return self._wait(id)

    def _request(self):
        expanded = templates.bridge(templates.expand(self.packaged, self.parameters))
        key = f"{self.name}-{uuid.uuid4()}.json"
        # A template of this size goes through S3, as `sam deploy` sends it.
        self.cloud.client("s3").put_object(Bucket=BUCKET, Key=key, Body=json.dumps(expanded))
        pairs = self.parameters.items()
        return {
            "StackName": self.name,
            "TemplateURL": f"{self.cloud.url}/{BUCKET}/{key}",
            "Parameters": [{"ParameterKey": name, "ParameterValue": value} for name, value in pairs],
            "Capabilities": ["CAPABILITY_IAM"],
        }

    def _describe(self, id=None):
        return self.formation.describe_stacks(StackName=id or self.name)["Stacks"][0]

    def _wait(self, id=None):
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            status = self._describe(id)["StackStatus"]
            if not status.endswith("IN_PROGRESS"):
                return status
            time.sleep(0.2)
        raise TimeoutError(f"{self.name} stays {status}")

    def events(self):
        """What happened to it: logical id, status and reason, the oldest first."""
        pages = self.formation.get_paginator("describe_stack_events").paginate(StackName=self.name)
        events = [event for page in pages for event in page["StackEvents"]]
        events.reverse()
        return [
            (each["LogicalResourceId"], each["ResourceStatus"], each.get("ResourceStatusReason", ""))
            for each in events
        ]

    @property
    def outputs(self):
        return {each["OutputKey"]: each["OutputValue"] for each in self._describe()["Outputs"]}

    @property
    def resources(self):
        """Its resources' physical ids by their logical ids."""
        pages = self.formation.get_paginator("list_stack_resources").paginate(StackName=self.name)
        each = [resource for page in pages for resource in page["StackResourceSummaries"]]
        return {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in each}

    @property
    def url(self):
        """The API's address. AWS's own is the output `Url`, of which MiniStack serves the path."""
        return f"{self.cloud.url}/_aws/execute-api/{self.resources['Api']}/$default"

    def invoke(self, function, event):
        """A function's response to an event: whether it failed, and what it says."""
        client = self.cloud.client("lambda")
        payload = json.dumps(event)
        name = self.resources[function]
        response = client.invoke(FunctionName=name, Payload=payload)
        return SimpleNamespace(
            failed="FunctionError" in response, body=json.loads(response["Payload"].read())
        )

    def logs(self):
        """The lines that its functions logged and that are JSON."""
        logs = self.cloud.client("logs")
        group = f"/roster/{self.parameters.get('Stage', 'dev')}/functions"
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
        texts = [event["message"] for page in pages for event in page["events"]]
        lines = [line for text in texts for line in text.splitlines()]
        return [json.loads(line) for line in lines if line.startswith("{")]


def secret(cloud):
    """The ARN of the identity provider's secret."""
    client = cloud.client("secretsmanager")
    try:
        return client.describe_secret(SecretId="identity-provider")["ARN"]
    except client.exceptions.ResourceNotFoundException:
        return client.create_secret(Name="identity-provider", SecretString=SECRET)["ARN"]


def token(id, email):
    """A token of the identity provider, for an hour."""

    def part(value):
        return base64.urlsafe_b64encode(value).rstrip(b"=")

    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": "authenticated",
        "sub": id,
        "email": email,
        "email_verified": True,
        "role": "authenticated",
        "iat": now,
        "exp": now + 3600,
    }
    header = {"alg": "HS256", "typ": "JWT"}
    text = b".".join(part(json.dumps(each).encode()) for each in (header, claims))
    signature = hmac.digest(SECRET.encode(), text, hashlib.sha256)
    return (text + b"." + part(signature)).decode()


class Caller:
    """Someone who calls a stack's API with a credential."""

    def __init__(self, url, credential):
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["authorization"] = f"Bearer {credential}"

    def __call__(self, expected, method, path, body=None, **headers):
        """The response to a request, which has the expected status."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        response = self.session.request(
            method, self.url + path, json=body, headers=headers, timeout=30
        )
        assert response.status_code == expected, f"{method} {path}: {describe(response)}"
        return response

    def get(self, path):
        return self(200, "GET", path).json()


def describe(response):
    return f"{response.status_code} {dict(response.headers)} {response.text[:2000]}"


class Person(Caller):
    """Someone with a token of the identity provider."""

    def __init__(self, url, name):
        self.id = str(uuid.uuid4())
        self.email = f"{name}.{self.id[:8]}@example.com"
        self.token = token(self.id, self.email)
        super().__init__(url, self.token)

    def sign_up(self):
        """Makes their account. Returns what the API says of it."""
        return self(201, "POST", "/v1/account").json()


class Stream:
    """The stream of a stack's table, delivered as Lambda delivers it.

    MiniStack polls it too, but knows no tumbling windows: its events lack `shardId`, without which
    the function refuses them. So its event source is switched off, and the same records go to the
    same function from here, filtered and batched as the event source says.
    """

    def __init__(self, stack):
        self.stack = stack
        functions = stack.cloud.client("lambda")
        self.source = functions.get_event_source_mapping(
            UUID=stack.resources["StreamCountPlacesSource"]
        )
        functions.update_event_source_mapping(UUID=self.source["UUID"], Enabled=False)
        self.client = stack.cloud.client("dynamodbstreams")
        arn = self.source["EventSourceArn"]
        self.shards = self.client.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
        self.positions = {
            shard["ShardId"]: self.client.get_shard_iterator(
                StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            for shard in self.shards
        }

    def deliver(self):
        """Delivers what was written since. Returns how many records that was."""
        filters = [json.loads(each["Pattern"]) for each in self.source["FilterCriteria"]["Filters"]]
        delivered = 0
        for shard in self.positions:
            while True:
                page = self.client.get_records(
                    ShardIterator=self.positions[shard], Limit=self.source["BatchSize"]
                )
                self.positions[shard] = page["NextShardIterator"]
                if not page["Records"]:
                    break
                records = [as_json(record) for record in page["Records"]]
                records = [each for each in records if any(matches(each, one) for one in filters)]
                if not records:
                    continue
                response = self.stack.invoke("StreamCountPlacesFunction", self.event(shard, records))
                assert not response.failed, response.body
                # A function with a window returns the window's state.
                assert response.body == {"state": {}}
                delivered += len(records)
        return delivered

    def event(self, shard, records):
        source = {"eventSourceARN": self.source["EventSourceArn"]}
        now = datetime.now().astimezone().isoformat()
        event = {
            "Records": [each | source for each in records],
            "window": {"start": now, "end": now},
            "state": {},
            "shardId": shard,
            "isFinalInvokeForWindow": False,
            "isWindowTerminatedEarly": False,
        }
        return event | source


def as_json(value):
    """A record of a stream as Lambda shows it: bytes in base64, times in seconds."""
    if isinstance(value, dict):
        return {name: as_json(each) for name, each in value.items()}
    if isinstance(value, list):
        return [as_json(each) for each in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.timestamp() if isinstance(value, datetime) else value


def matches(value, pattern):
    """Whether a filter pattern of Lambda, of names and lists of values, lets a value pass."""
    if isinstance(pattern, dict):
        is_map = isinstance(value, dict)
        return is_map and all(matches(value.get(name), each) for name, each in pattern.items())
    return value in pattern
