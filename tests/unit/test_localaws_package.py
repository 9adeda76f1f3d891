"""The package's public face, and that its parts load only what they need."""

import subprocess
import sys

import localaws


def test_all_names_exist_and_no_others_are_promised():
    assert sorted(localaws.__all__) == ["Credentials", "Endpoint", "Fault", "Quotas", "serve"]
    assert all(getattr(localaws, name).__name__ == name for name in localaws.__all__)
    assert not hasattr(localaws, "producer")


def test_recogniser_processes_load_no_web_server_and_nothing_of_the_project_but_localaws():
    code = (
        "import sys, localaws.zygote;"
        "print([m for m in ('moto', 'boto3', 'flask', 'producer', 'worker') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert run.stdout.strip() == "[]"
