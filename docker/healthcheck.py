"""Docker's health check: what /healthz answers is shown by `docker inspect`, its status is the exit status.

`http.client`, because urllib would send the question to a proxy where the environment names one.
"""

import http.client
import os
import sys

port = int(os.environ.get("CAMWATCH_HTTP_PORT", "8470"))
connection = http.client.HTTPConnection("127.0.0.1", port, timeout=4)
try:
    connection.request("GET", "/healthz")
    answer = connection.getresponse()
    print(answer.read(4096).decode("utf-8", "replace"), end="")
except (OSError, http.client.HTTPException) as error:
    sys.exit(f"nobody answers on port {port}: {error}")
sys.exit(answer.status != 200)
