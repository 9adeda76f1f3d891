"""Parts of the package load only what they need."""

import subprocess
import sys


def test_recogniser_processes_load_no_web_server_and_nothing_of_the_project_but_localaws() -> None:
    code = (
        "import sys, localaws.recognition.program;"
        "print([m for m in ('moto', 'boto3', 'flask', 'producer', 'worker') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert run.stdout.strip() == "[]"
