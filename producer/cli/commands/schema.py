"""`transcribe schema`: the fields of a request."""

import json

import click

from producer.cli import output
from producer.contract.request import TranscriptionRequest


@click.command()
def schema() -> None:
    """Print the JSON Schema of a request.

    \b
    Examples:
      transcribe schema > request.schema.json
    """
    output.data(json.dumps(TranscriptionRequest.model_json_schema(), indent=2))
