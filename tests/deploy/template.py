"""The template: expanded as CloudFormation expands it, and bridged to what MiniStack knows."""

import copy
import os

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

from cloud import REGION

INTEGRATION = "x-amazon-apigateway-integration"


class ManagedPolicies:
    """AWS's own policies that SAM adds to the functions' roles."""

    def load(self):
        names = ["service-role/AWSLambdaBasicExecutionRole", "AWSXRayDaemonWriteAccess"]
        names.append("AWSXrayWriteOnlyAccess")
        return {name.split("/")[-1]: f"arn:aws:iam::aws:policy/{name}" for name in names}


def read(text):
    """A SAM template from its YAML."""
    return yaml_parse(text)


def functions(template):
    """The names of a SAM template's functions."""
    resources = template["Resources"].items()
    return [name for name, each in resources if each["Type"] == "AWS::Serverless::Function"]


def expand(template, parameters):
    """What CloudFormation makes of a SAM template for these parameters."""
    values = {}
    for name, parameter in template["Parameters"].items():
        value = parameters.get(name, parameter.get("Default"))
        # CloudFormation hands a list over as a list.
        is_list = parameter["Type"] == "CommaDelimitedList"
        values[name] = [part.strip() for part in value.split(",")] if is_list else value
    os.environ.setdefault("AWS_DEFAULT_REGION", REGION)
    return transform(copy.deepcopy(template), values, ManagedPolicies())


def bridge(expanded):
    """The same stack in what MiniStack knows of CloudFormation."""
    # `Ref` of a secret is its ARN. MiniStack makes it the name, which is in no policy.
    types = {name: each["Type"] for name, each in expanded["Resources"].items()}
    secrets = [name for name, type in types.items() if type == "AWS::SecretsManager::Secret"]
    expanded = by_arn(expanded, secrets)
    resources = {}
    for name, resource in expanded["Resources"].items():
        properties = resource.get("Properties", {})
        # MiniStack has no alarms on expressions. AWS makes them: cfn-lint looks at their form, and
        # the tests of the template compare their metrics with what the code emits.
        if resource["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in properties:
            continue
        if resource["Type"] == "AWS::ApiGatewayV2::Api":
            resources.update(routed(name, resource))
        else:
            resources[name] = resource
    return {**expanded, "Resources": resources}


def by_arn(value, secrets):
    """A template whose references to secrets ask for the ARN."""
    if isinstance(value, list):
        return [by_arn(each, secrets) for each in value]
    if not isinstance(value, dict):
        return value
    if value.get("Ref") in secrets:
        return {"Fn::GetAtt": [value["Ref"], "Id"]}
    return {name: by_arn(each, secrets) for name, each in value.items()}


def routed(api, resource):
    """An API whose routes are resources.

    AWS makes the routes from the OpenAPI document in `Body`. MiniStack ignores that, so each
    operation becomes the integration and the route that AWS makes of it.
    """
    body = resource["Properties"]["Body"]
    properties = {"Name": body["info"]["title"], "ProtocolType": "HTTP"}
    if cors := body.get("x-amazon-apigateway-cors"):
        properties["CorsConfiguration"] = cors
    resources = {api: {**resource, "Properties": properties}}
    for path, operations in body["paths"].items():
        for method, operation in operations.items():
            number = len(resources)
            integration = operation[INTEGRATION]
            resources[f"{api}Integration{number}"] = {
                "Type": "AWS::ApiGatewayV2::Integration",
                "Properties": {
                    "ApiId": {"Ref": api},
                    "IntegrationType": "AWS_PROXY",
                    "IntegrationUri": integration["uri"],
                    "PayloadFormatVersion": integration["payloadFormatVersion"],
                },
            }
            verb = "ANY" if method == "x-amazon-apigateway-any-method" else method.upper()
            is_default = operation.get("isDefaultRoute", False)
            resources[f"{api}Route{number}"] = {
                "Type": "AWS::ApiGatewayV2::Route",
                "Properties": {
                    "ApiId": {"Ref": api},
                    "RouteKey": "$default" if is_default else f"{verb} {path}",
                    "Target": {"Fn::Sub": f"integrations/${{{api}Integration{number}}}"},
                },
            }
    return resources
