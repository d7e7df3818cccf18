"""The smoke suite, which ends a deployment by the guide, against a deployed stack."""

import os
import subprocess

from stack import Person


def test_the_smoke_suite_passes(request, dev, stream):
    someone = Person(dev.url, "smoke")
    environment = {"PATH": os.environ["PATH"], "ROSTER_TOKEN": someone.token}
    command = [request.config.getoption("local"), "smoke", dev.url]
    command += ["--origin", "https://app.example.com"]
    smoke = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    print(smoke.stdout)
    assert smoke.returncode == 0, smoke.stdout + smoke.stderr
    assert " 0 failed" in smoke.stdout
