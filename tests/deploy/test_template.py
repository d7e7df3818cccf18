"""Judges the expanded template: what CloudFormation refuses, and what keeps two stacks apart.

`.ci/run` expands template.yaml; ROSTER_EXPANDED names the file.
"""

import copy
import json
import os
import re

import pytest


@pytest.fixture(scope="module")
def template():
    with open(os.environ["ROSTER_EXPANDED"], encoding="utf-8") as file:
        return json.load(file)


def references(value):
    """The logical ids that a value refers to by Ref, GetAtt and Sub."""
    if isinstance(value, list):
        return set().union(*map(references, value))
    if not isinstance(value, dict):
        return set()
    found = set()
    for key, content in value.items():
        if key == "Ref":
            found.add(content)
        elif key == "Fn::GetAtt":
            found.add(content.split(".")[0] if isinstance(content, str) else content[0])
        elif key == "Fn::Sub":
            text, names = (content, {}) if isinstance(content, str) else content
            found |= {name.split(".")[0] for name in re.findall(r"\$\{([^!}]+)\}", text)}
            found -= set(names)
            found |= references(names)
        else:
            found |= references(content)
    return found


def cycles(template):
    """The resources that wait for each other. CloudFormation counts references in every section of
    a resource, `UpdatePolicy` among them."""
    waits = {}
    for name, resource in template["Resources"].items():
        needed = references(resource)
        explicit = resource.get("DependsOn", [])
        needed |= {explicit} if isinstance(explicit, str) else set(explicit)
        waits[name] = needed & set(template["Resources"])
    # What waits for nothing that is left can be made: what remains is in a cycle, or behind one.
    while ready := [name for name, needed in waits.items() if not needed & set(waits)]:
        for name in ready:
            del waits[name]
    return sorted(waits)


def unstaged_names(template):
    """Physical names that are the same in every stack: `Resource.Property`."""
    resources = template["Resources"]
    found = []
    for name, resource in resources.items():
        # The stage of an HTTP API is named within the API.
        if resource["Type"] == "AWS::ApiGatewayV2::Stage":
            continue
        for key, value in resource.get("Properties", {}).items():
            # A metric's name is no resource's.
            if not key.endswith("Name") or key == "MetricName":
                continue
            told_apart = references(value) & {"Stage", "AWS::StackName", "TableName", *resources}
            if not told_apart:
                found.append(f"{name}.{key}")
    return found


def test_no_resource_waits_for_itself(template):
    assert cycles(template) == []


def test_a_cycle_through_an_update_policy_is_found(template):
    broken = copy.deepcopy(template)
    broken["Resources"]["Api"]["UpdatePolicy"] = {"Alarm": {"Ref": "ServerErrorsAlarm"}}
    found = cycles(broken)
    assert "Api" in found and "ServerErrorsAlarm" in found


def test_two_stages_fit_one_account_and_region(template):
    assert unstaged_names(template) == []


def test_a_fixed_name_is_found(template):
    broken = copy.deepcopy(template)
    schedules = [
        name
        for name, resource in broken["Resources"].items()
        if resource["Type"] == "AWS::Scheduler::Schedule"
    ]
    assert schedules
    broken["Resources"][schedules[0]]["Properties"]["Name"] = "purge"
    assert unstaged_names(broken) == [f"{schedules[0]}.Name"]


def test_the_stack_fits_the_limits(template):
    # docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
    assert len(template["Resources"]) <= 500
    assert len(json.dumps(template, separators=(",", ":"))) <= 1_000_000


def test_an_account_with_the_first_limits_takes_the_functions(template):
    # Lambda refuses a reservation that leaves fewer than 10 of the account's concurrency to
    # others, and a new account has 10 in all.
    functions = [
        resource["Properties"]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::Lambda::Function"
    ]
    assert functions
    assert not [item for item in functions if "ReservedConcurrentExecutions" in item]


def test_parameters_reach_callers_at_once(template):
    # A version keeps the environment that it was published with, and an alias keeps the version.
    kinds = {resource["Type"] for resource in template["Resources"].values()}
    assert not kinds & {"AWS::Lambda::Version", "AWS::Lambda::Alias"}


def test_alarms_can_notify(template):
    # CloudWatch cannot publish to a topic under AWS's own key for SNS.
    topics = [
        resource["Properties"]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::SNS::Topic"
    ]
    assert topics
    assert not [topic for topic in topics if "alias/aws/sns" in str(topic.get("KmsMasterKeyId"))]
