"""The program `transcribe`: parse, call the client, print."""

import atexit
import sys

import click

from producer.cli.commands.dead_letters import dead
from producer.cli.commands.doctor import doctor
from producer.cli.commands.jobs import JOB_COMMANDS
from producer.cli.commands.local import local
from producer.cli.commands.policy import policy
from producer.cli.commands.recover import recover
from producer.cli.commands.schema import schema
from producer.cli.commands.submit import submit
from producer.cli.output import chatter
from producer.cli.streams import GuardedGroup, Unread, drop_unwritten, open_closed_streams
from producer.errors import TranscribeQueueError

EXIT_CODES = """\b
Exit codes:
  0    all is well
  1    a job, a recovery or a check of doctor failed, or something that was named is skipped
  2    the command, a request or a setting is wrong
  3    the time given with --timeout is over
  4    Redis cannot be reached
  130  Ctrl-C, SIGTERM or a closed terminal ended it
  141  nobody reads its output any more"""


@click.group(
    cls=GuardedGroup,
    epilog=EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="transcribe-queue", prog_name="transcribe")
def transcribe() -> None:
    """Transcribe recordings with Amazon Transcribe, through a queue.

    \b
    transcribe local interview.m4a             all on this machine, no AWS account
    transcribe submit interview.m4a --wait     by the workers that listen to Redis
    transcribe doctor                          check Redis, workers and AWS
    """


for command in (
    submit,
    *JOB_COMMANDS,
    dead,
    recover,
    local,
    doctor,
    policy,
    schema,
):
    transcribe.add_command(command)


def run() -> None:
    """Run the command line; each of our errors ends it with one sentence and an exit code."""
    try:
        open_closed_streams()
        atexit.register(drop_unwritten)
        code = transcribe.main(prog_name="transcribe", standalone_mode=False)
    except Unread as error:
        sys.exit(error.exit_code)
    except TranscribeQueueError as error:
        _end(str(error), error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        # Its message is the whole help, which is not a sentence.
        error.show()
        sys.exit(error.exit_code)
    except click.UsageError as error:
        hint = f" See `{error.ctx.command_path} --help`." if error.ctx else ""
        message = error.format_message().rstrip(".")
        _end(f"{message}{'' if message.endswith('?') else '.'}{hint}", 2)
    except click.ClickException as error:
        _end(error.format_message(), 2)
    except (click.Abort, KeyboardInterrupt):
        _end("interrupted.", 130)
    sys.exit(code if isinstance(code, int) else 0)


def _end(sentence: str, code: int) -> None:
    chatter(f"transcribe: {' '.join(sentence.split())}")
    sys.exit(code)
