"""The runbook for a restored table: its commands run, and a stack runs on what they make.

The shell blocks of the guide's section on restoring are run in their order, in one shell.
"""

import os
import re
import subprocess

import pytest

from cloud import REGION
from conftest import ROOT
from stack import Person, Stream

GUIDE = ROOT / "docs/deployment.md"


def runbook():
    """The commands of the guide's section `Restore …`."""
    sections = re.split(r"^## ", GUIDE.read_text(), flags=re.MULTILINE)
    section = next(each for each in sections if each.startswith("Restore"))
    blocks = re.findall(r"^```sh\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)
    return "".join(blocks)


# The local commands are built already: `cargo run` would build them again, alone.
CARGO = """
cargo() {
  while [ "$1" != -- ]; do shift; done
  shift
  "$LOCAL" "$@"
}
"""


def run(cloud, commands, options, **variables):
    """Runs commands as an operator does. Returns the stream that they name at last."""
    path = os.pathsep.join([os.path.dirname(options.getoption("aws")), os.environ["PATH"]])
    environment = {"LOCAL": str(options.getoption("local")), **cloud.credentials, **variables}
    environment |= {"HOME": os.environ["HOME"], "PATH": path}
    script = f"set -euo pipefail\n{CARGO}{commands}\nprintf '\\nSTREAM=%s\\n' \"$STREAM\"\n"
    shell = subprocess.run(
        ["bash", "-c", script], env=environment, capture_output=True, text=True, timeout=120
    )
    assert shell.returncode == 0, shell.stdout + shell.stderr
    return re.findall(r"^STREAM=(.*)$", shell.stdout, flags=re.MULTILINE)[-1]


@pytest.fixture
def restored(request, dev):
    """The restored table's name and its stream, made from the table of a stack."""
    ada = Person(dev.url, "ada")
    ada.sign_up()
    variables = {
        "STACK": dev.name,
        "STAGE": "dev",
        "TABLE": dev.outputs["TableName"],
        "RESTORED": "roster-restored",
        "REGION": REGION,
    }
    commands = runbook()
    for command in (
        "restore-table-to-point-in-time",
        "update-table",
        "update-time-to-live",
        "update-continuous-backups",
        "tag-resource",
    ):
        assert f"aws dynamodb {command}" in commands, f"the runbook lacks {command}"
    return ada, variables["RESTORED"], run(dev.cloud, commands, request.config, **variables)


def test_a_stack_runs_on_a_restored_table(dev, deploy, restored):
    ada, table, stream = restored
    tables = dev.cloud.client("dynamodb")
    original = tables.describe_table(TableName=dev.outputs["TableName"])["Table"]
    description = tables.describe_table(TableName=table)["Table"]
    # AWS restores keys, indexes and items. The rest is the runbook's.
    assert description["KeySchema"] == original["KeySchema"]
    names = [{each["IndexName"] for each in one["GlobalSecondaryIndexes"]} for one in
             (description, original)]
    assert names[0] == names[1]
    assert description["StreamSpecification"] == original["StreamSpecification"]
    assert description["LatestStreamArn"] == stream
    assert description["DeletionProtectionEnabled"]
    expiry = tables.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    assert (expiry["TimeToLiveStatus"], expiry["AttributeName"]) == ("ENABLED", "expires")
    backups = tables.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    recovery = backups["PointInTimeRecoveryDescription"]
    assert recovery["PointInTimeRecoveryStatus"] == "ENABLED"
    tags = tables.list_tags_of_resource(ResourceArn=description["TableArn"])["Tags"]
    assert {"Key": "application", "Value": "roster"} in tags
    # The users are there, and changes are counted.
    stack = deploy("roster-restored", Stage="prod", TableName=table, TableStreamArn=stream)
    assert "Table" not in stack.resources
    ada.url = stack.url
    assert ada.get("/v1/account/me")["user"]["email"] == ada.email
    counts = Stream(stack)
    ada(201, "POST", "/api/admin/user-admin", {"username": "nadia", "rootRole": 3})
    assert counts.deliver() > 0
    assert stack.delete() == "DELETE_COMPLETE"
    assert tables.describe_table(TableName=table)["Table"]["TableStatus"] == "ACTIVE"
