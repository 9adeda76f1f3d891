"""Where a job's results go: a path beneath the workers' results root, from a template.

`{folder}/{stem}` makes `interviews/anna.txt`, `interviews/anna.json` and so on of
`/recordings/interviews/anna.m4a`. An `output` without braces is a folder, in which each job has one
of its own.
"""

import re
import string
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from pathlib import PurePosixPath

from producer.contract.formats import EXTRA_KINDS, FORMATS, SIDECAR, TEMPORARY, file_name

#: What a template may name in braces.
FIELDS = {
    "id": "the job's id",
    "stem": "the recording's name without its extension",
    "name": "the recording's whole name",
    "folder": "the name of the folder that it lies in",
    "tenant": "the job's tenant",
    "date": "the day of the submission in UTC, as 2026-01-31",
}
#: Of a request that names none.
DEFAULT = "{id}/{stem}"

#: Names of Linux's file systems have at most so many bytes. Source: limits.h.
MAX_NAME_BYTES = 255
#: Of a path's 4,096 bytes, what is left when the names of files and the shortest root have theirs.
MAX_OUTPUT_BYTES = 4096 - 256
#: Bytes of the longest ending of a file of results.
MAX_ENDING_BYTES = max(len(file_name("", kind)) for kind in (*FORMATS, *EXTRA_KINDS, SIDECAR))
#: For the stem of files, beside an ending and what tells one from others of its name.
_MAX_STEM_BYTES = 200
#: Of a value, so that one long name leaves room for the others.
_MAX_VALUE_BYTES = 190
_NOT_IN_NAMES = re.compile(r"[/\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
#: With these at its end a stem would make files that another job's stem without them makes.
_OTHERS_STEMS = tuple(f".{kind.rpartition('.')[0]}" for kind in (*EXTRA_KINDS, SIDECAR))
_ENDINGS = (*(f".{each}" for each in FORMATS), TEMPORARY)


def problem(output: str) -> str | None:
    """Why no worker can write results there; None if a worker may try."""
    parts = PurePosixPath(output).parts
    if ".." in parts:
        return "it is a path beneath the workers' results root, without .."
    if any(len(part.encode()) > MAX_NAME_BYTES for part in parts):
        return f"a folder's name has at most {MAX_NAME_BYTES} bytes in UTF-8; choose a shorter one"
    if len(output.encode()) > MAX_OUTPUT_BYTES:
        return f"it has at most {MAX_OUTPUT_BYTES} bytes in UTF-8; choose a shorter path"
    return _template_problem(output) if _is_template(output) else None


def _template_problem(output: str) -> str | None:
    try:
        fields = [tuple(each[1:]) for each in string.Formatter().parse(output)]
    except ValueError:
        return "a brace that is no field is doubled: {{ or }}"
    known = {(None, None, None), *((name, "", None) for name in FIELDS)}
    if not known.issuperset(fields):
        return f"it has a field that is none of {', '.join(f'{{{name}}}' for name in FIELDS)}"
    if output.endswith("/"):
        return "it ends with a name for the files, as in {folder}/{stem}"
    return None


def literally(path: str) -> str:
    """A path as a template that stands for just this path."""
    return path.replace("{", "{{").replace("}", "}}")


def values_of(audio: str, job_id: str, tenant: str, submitted_at: datetime) -> dict[str, str]:
    """What the fields of a template stand for, of one job."""
    source = PurePosixPath(audio)
    return {
        "id": job_id,
        "stem": source.stem,
        "name": source.name,
        "folder": source.parent.name,
        "tenant": tenant,
        "date": f"{submitted_at:%Y-%m-%d}",
    }


def path_of(output: str | None, values: Mapping[str, str]) -> PurePosixPath:
    """The path of a job's results without their ending, beneath the results root.

    No value in it adds a folder, or leaves one.

    Args:
        output: what the request says.
        values: one for each of `FIELDS`.
    """
    template = DEFAULT if output is None else output
    if not _is_template(template):
        template = f"{template}/{DEFAULT}"
    path = PurePosixPath(template.format_map({name: _value(each) for name, each in values.items()}))
    return PurePosixPath(*map(_folder, path.parts[:-1]), _stem(path.name))


def folded(name: str) -> str:
    """A file's name as it is compared: some file systems know neither case nor accents' forms."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _is_template(output: str) -> bool:
    return "{" in output or "}" in output


def _value(text: str) -> str:
    text = _cut(_NOT_IN_NAMES.sub("_", text), _MAX_VALUE_BYTES)
    return f"{text}_" if text.strip(".") == "" else text


def _folder(name: str) -> str:
    """The name of a folder; never one that a file of results may have, as that would be in the way.

    To some file systems dots and spaces at the end are nothing.
    """
    seen = folded(unicodedata.normalize("NFKC", name)).rstrip(". ")
    return f"{name}_" if seen.endswith(_ENDINGS) else name


def _stem(name: str) -> str:
    name = _cut(name, _MAX_STEM_BYTES)
    # Its document would have the name of another's sidecar, or of another's unredacted document.
    return f"{name}_" if folded(name).endswith(_OTHERS_STEMS) else name


def _cut(text: str, limit: int) -> str:
    return text.encode()[:limit].decode(errors="ignore")
