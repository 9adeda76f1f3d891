"""The local AWS emulator: S3 by moto and Amazon Transcribe of our own, on one port.

`python -m localaws --port 5005` runs it; a test runs it in its own process:

    with localaws.server.serve(recogniser="fixed:1") as endpoint:
        boto3.client("transcribe", endpoint_url=endpoint.url, ...)

This file imports nothing: the recogniser's processes belong to this package, too, and must not
load a web server.
"""
