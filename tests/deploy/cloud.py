"""MiniStack, which stands for AWS: a process of its own that listens on 127.0.0.1.

    python cloud.py COMMAND …

runs a command with `ROSTER_TEST_DYNAMODB` set to the address of MiniStack's DynamoDB.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

REGION = "us-east-1"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Cloud:
    """A running MiniStack."""

    def __init__(self, folder, judges=True):
        """Starts it. It keeps its files and its log in `folder`.

        Where it `judges`, every call needs the permission of a policy.
        """
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.log = Path(folder, "ministack.log")
        inherited = {name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ}
        environment = {
            **inherited,
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "LOG_LEVEL": "WARNING",
            # Listeners of services that no test needs.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            # Functions run as processes, not in Docker.
            "LAMBDA_EXECUTOR": "local",
            # The policies of the role that makes a call are asked, as in AWS; the key `test` is the
            # account's root. AWS knows `dynamodb:LeadingKeys`, too. MiniStack does not, so that
            # conditions on it hold.
            "AUTH": "true" if judges else "false",
            # MiniStack hands this to every function, whose SDK would call AWS otherwise. AWS needs
            # no such thing: there the SDK finds the region's own address.
            "AWS_ENDPOINT_URL": self.url,
            "TMPDIR": str(folder),
        }
        command = [sys.executable, Path(__file__).with_name("server.py")]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        self._wait()

    def _wait(self):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                self.client("sts", connect_timeout=1).get_caller_identity()
                return
            except (BotoCoreError, ClientError):
                time.sleep(0.2)
        self.end()
        raise RuntimeError(f"MiniStack does not start:\n{self.log.read_text()[-4000:]}")

    @property
    def credentials(self):
        """Environment variables by which any AWS tool reaches it."""
        return {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.url,
        }

    def client(self, service, **settings):
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(proxies={}, retries={"total_max_attempts": 1}, **settings),
        )

    def end(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def main():
    with tempfile.TemporaryDirectory() as folder:
        cloud = Cloud(folder, judges=False)
        try:
            environment = os.environ | cloud.credentials | {"ROSTER_TEST_DYNAMODB": cloud.url}
            return subprocess.run(sys.argv[1:], env=environment).returncode
        finally:
            cloud.end()


if __name__ == "__main__":
    sys.exit(main())
