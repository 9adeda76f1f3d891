"""Collect: fetch a result, check that it is one, and keep it."""

from __future__ import annotations

import json

from producer.errors import BadTranscript
from producer.transcript import Transcript
from worker.errors import Permanent, Transient
from worker.results import write_results
from worker.stages import Work


def fetch(work: Work) -> Transcript:
    """Read the result document.

    Raises:
        Transient: if it is not there, or not whole, and it may yet be.
        Permanent: if it is still so when the patience that is set for it is over.
    """
    job = work.job
    if job.result_uri is None:
        raise Permanent("NoResult", "The record does not say where the result is.")
    try:
        return Transcript.from_json(work.worker.storage.read(job.result_uri))
    except BadTranscript as error:
        problem = Transient("ResultBroken", f"{job.result_uri} is broken: {error}")
    except Transient as error:
        if error.code != "ResultMissing":
            raise
        problem = error
    if work.waited > work.worker.settings.result_patience:
        raise Permanent(problem.code, problem.message)
    raise problem


def keep(work: Work, transcript: Transcript) -> str:
    """Write the files and keep the text in Redis; returns the files' paths by format, as JSON."""
    job, settings = work.job, work.worker.settings
    files = write_results(job, transcript, settings.results_dir)
    work.worker.store.keep_result(
        job.id,
        transcript.to_text(),
        transcript.to_json().encode(),
        most=settings.kept_result_bytes,
    )
    return json.dumps({kind: str(path) for kind, path in files.items()})
