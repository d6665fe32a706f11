"""Send one lead of ECG to a SelfMIS gateway; the standard library is all it needs.

    python gateway_client.py PATIENT < samples.txt      # one sample in millivolts a line, 250 per second

GATEWAY_URL and, where the gateway wants one, GATEWAY_TOKEN come from the environment.
"""

import json
import os
import secrets
import sys
import time
import urllib.error
import urllib.request

RATE_HZ = 250
URL = os.environ.get("GATEWAY_URL", "http://127.0.0.1:8787") + "/v1/frames"
HEADERS = {"Content-Type": "application/json", "Authorization": f"Bearer {os.environ.get('GATEWAY_TOKEN', '-')}"}


def send(frame):
    """Return once the frame is stored. Sending a frame twice is harmless, so whenever in doubt send it again."""
    request = urllib.request.Request(URL, json.dumps(frame).encode(), HEADERS)  # noqa: S310 - the URL is the user's
    while True:
        try:
            return urllib.request.urlopen(request, timeout=10).close()  # noqa: S310 - as above
        except urllib.error.HTTPError as refused:
            if refused.code not in {429, 503}:  # our mistake: the body says which
                raise SystemExit(refused.read().decode()) from None
            time.sleep(float(refused.headers["Retry-After"]))
        except OSError:  # the gateway cannot be reached, or left without a word
            time.sleep(1)


# A session is one run of the device's sample counter: a new one at every start, for the counter begins at 0 again.
session, first = secrets.randbits(63), 0
began = time.time()  # when sample 0 was taken: said, so that what waits for a gateway at first keeps its time
while lines := [line for _, line in zip(range(RATE_HZ), sys.stdin, strict=False)]:  # one second each
    samples = [float(line) for line in lines]
    while began + first / RATE_HZ > time.time() + 60:  # from a file: the future is refused, so not far ahead of it
        time.sleep(1)
    frame = {"patient": sys.argv[1], "session": session, "session_start": round(began * 1e6), "first": first}
    send(frame | {"rate_hz": RATE_HZ, "lead": "I", "mv": samples})
    first += len(samples)
