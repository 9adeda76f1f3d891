"""An AWS-compatible endpoint for one machine: S3 by moto, Amazon Transcribe by us.

`python -m localaws --port 5005` runs it; a test runs it in its own process:

    with localaws.server.serve(recogniser="fixed:1") as endpoint:
        boto3.client("transcribe", endpoint_url=endpoint.url, ...)

Nothing is imported here, because the recogniser's processes live in this package too and must not
load a web server to recognise speech.
"""
