"""The shape of the code: imports run one way, each part loads only its own, files stay short."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("producer", "worker", "localaws")
MODULES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
MAX_LINES = 350


def python(code: str, folder: Path) -> str:
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True
    )
    return run.stdout.strip()


def test_imports_run_one_way() -> None:
    run = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command as c; c()",
            "--no-cache",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr
    kept = next(line for line in run.stdout.splitlines() if line.startswith("Contracts: "))
    assert kept.endswith(" 0 broken.")
    assert int(kept.split()[1]) >= 8


def test_no_import_hides_from_that() -> None:
    hidden = re.compile(r"import_module|__import__|exec_module")
    assert [path for path in MODULES if hidden.search(path.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize("module", ["producer.api", "producer.cli.program"])
def test_a_service_that_only_enqueues_loads_nothing_of_the_worker(
    module: str, tmp_path: Path
) -> None:
    code = (
        f"import sys, {module}\n"
        "heavy = {'boto3', 'botocore', 'structlog', 'worker', 'localaws', 'moto',"
        " 'flask', 'av'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert python(code, tmp_path) == "[]"


@pytest.mark.parametrize("module", ["producer", "producer.cli.main", "producer.contract.job"])
def test_what_loads_first_does_not_load_redis(module: str, tmp_path: Path) -> None:
    code = f"import sys, {module}; print(sorted({{'redis', 'celery'}} & set(sys.modules)))"
    assert python(code, tmp_path) == "[]"


def test_the_worker_does_not_load_the_emulator(tmp_path: Path) -> None:
    code = (
        "import sys, os\n"
        "os.environ.update(TRANSCRIBE_BUCKET='b-1', AWS_DEFAULT_REGION='eu-west-1')\n"
        "import worker.tasks\n"
        "print(sorted({'localaws', 'moto', 'flask', 'av', 'pocketsphinx'} & set(sys.modules)))"
    )
    assert python(code, tmp_path) == "[]"


def test_each_room_says_what_it_is_for() -> None:
    rooms = {path.parent for path in MODULES}
    assert len(rooms) > 10
    for room in rooms:
        assert (room / "__init__.py").read_text(encoding="utf-8").startswith('"""'), room


def test_every_module_is_named_for_what_it_is() -> None:
    assert len(MODULES) > 50
    vague = {"utils", "util", "common", "helpers", "helper", "base", "misc"}
    assert not [path for path in MODULES if path.stem in vague]


def test_no_module_is_too_long_to_be_read_at_once() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in MODULES
    }
    assert {name: lines for name, lines in lengths.items() if lines > MAX_LINES} == {}


def test_no_import_spells_a_key_so_that_a_setting_may_have_the_prefix(tmp_path: Path) -> None:
    modules = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in MODULES]
    code = f"""
import importlib, os
os.environ.update(TRANSCRIBE_BUCKET="b-1", AWS_DEFAULT_REGION="eu-west-1")
from producer.backend import keys
def prefix():
    raise AssertionError("the prefix is asked for too early")
keys.prefix = prefix
for name in {[each for each in modules if not each.startswith("localaws") and "__" not in each]}:
    importlib.import_module(name)
try:
    print(keys.JOB("one"))
except AssertionError as error:
    print(error)
"""
    assert python(code, tmp_path) == "the prefix is asked for too early"
