"""MiniStack, with a response of a function read as AWS reads it.

`"body": null` is an empty body, as lambda_http writes it. MiniStack drops the connection on it.
"""

import sys

from ministack.app import main
from ministack.services import apigateway

invoke = apigateway._invoke_lambda_proxy


async def invoke_lambda_proxy(*arguments, **named):
    status, headers, body = await invoke(*arguments, **named)
    return status, headers, b"" if body is None else body


apigateway._invoke_lambda_proxy = invoke_lambda_proxy

if __name__ == "__main__":
    sys.exit(main())
