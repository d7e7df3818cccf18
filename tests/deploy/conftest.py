"""What the tests of the deployment share: MiniStack, the packaged template, a stack to ask.

    sam build --parameter-overrides Architecture=x86_64
    pip install -r tests/deploy/requirements.txt awscli
    pytest tests/deploy
"""

import io
import os
import shutil
import zipfile
from pathlib import Path

import pytest

import template as templates
from cloud import Cloud
from stack import BUCKET, Stack, Stream

ROOT = Path(__file__).resolve().parents[2]


def pytest_addoption(parser):
    parser.addoption(
        "--built", default=ROOT / ".aws-sam/build", type=Path, help="what `sam build` made"
    )
    parser.addoption("--aws", default="aws", help="the AWS CLI's program")
    parser.addoption(
        "--local", default=ROOT / "target/debug/local", type=Path, help="the local server's program"
    )


@pytest.fixture(scope="session")
def built(request):
    folder = request.config.getoption("built").resolve()
    assert (folder / "template.yaml").exists(), f"{folder} holds no build: run `sam build` first"
    return folder


@pytest.fixture(scope="session")
def cloud(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cloud")
    cloud = Cloud(folder)
    yield cloud
    cloud.end()
    # The functions' code, unpacked: a copy per function.
    for each in folder.iterdir():
        if each.is_dir():
            shutil.rmtree(each)


@pytest.fixture(scope="session")
def packaged(cloud, built):
    """The built template as `sam package` leaves it: the code of all functions is one zip in S3."""
    template = templates.read((built / "template.yaml").read_text())
    functions = [template["Resources"][name] for name in templates.functions(template)]
    shared = template["Globals"]["Function"].get("CodeUri")
    folders = {each["Properties"].get("CodeUri", shared) for each in functions}
    binaries = {(built / folder / "bootstrap").read_bytes() for folder in folders}
    assert len(binaries) == 1, "functions differ in their code"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = 0o755 << 16
        entry.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(entry, binaries.pop())
    storage = cloud.client("s3")
    storage.create_bucket(Bucket=BUCKET)
    storage.put_object(Bucket=BUCKET, Key="code.zip", Body=packed.getvalue())
    for each in functions:
        each["Properties"]["CodeUri"] = f"s3://{BUCKET}/code.zip"
    return template


@pytest.fixture(scope="session")
def deploy(cloud, packaged):
    """Creates a stack, which comes up."""

    def deploy(name, **parameters):
        stack = Stack(cloud, packaged, name, Architecture=architecture(), **parameters)
        assert stack.create() == "CREATE_COMPLETE", stack.events()[-5:]
        return stack

    return deploy


def architecture():
    """The processor that the functions are built for: this machine's."""
    return {"x86_64": "x86_64", "aarch64": "arm64"}[os.uname().machine]


@pytest.fixture(scope="session")
def dev(deploy):
    """A stack of the stage dev, whose purge follows a soft delete at once."""
    return deploy(
        "roster-dev",
        Stage="dev",
        DeletionGraceDays="0",
        CorsOrigins="https://app.example.com, https://admin.example.com",
    )


@pytest.fixture(scope="session")
def stream(dev):
    return Stream(dev)
