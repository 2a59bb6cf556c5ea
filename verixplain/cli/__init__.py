"""The command line: every file here whose name has no underscore in front is one command.

A command parses, calls the package, and prints: results on standard output, progress and errors
on standard error. Exit codes: 0 done, 1 refuted, 2 usage (also an input, box, group or target that
does not fit), 4 any other error, 130 interrupted.
"""

import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module

import click

from verixplain import __version__
from verixplain.errors import UsageError, VerixplainError
from verixplain.registry import Registry

commands = Registry("command", "verixplain.cli")

DEBUG = click.Option(["--debug"], is_flag=True, expose_value=False, help="Show tracebacks.")
"""Of every command; `main` takes it out wherever it stands."""

USAGE, ERROR, INTERRUPTED, BROKEN_PIPE = 2, 4, 130, 141


class Commands(click.Group):
    """The commands, listed from the folder and imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in set(commands):
            return None
        command = import_module(f"verixplain.cli.{cmd_name.replace('-', '_')}").command
        if DEBUG not in command.params:
            command.params.append(DEBUG)
        return command


def _say_name(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        click.echo("verixplain")
        ctx.exit()


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--name",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_say_name,
    help="Show the solver's name (VNN-LIB) and exit.",
)
@click.version_option(__version__, package_name="verixplain", message="%(version)s")
def app() -> None:
    """Explanations of ONNX networks with formal guarantees.

    INPUT is PATH[:KEY][#I | #I:J]: an .npy, .npz, PNG or JPEG; the key of an array in an .npz;
    input number I, or I to J-1, counted from 0. A model's units and layout come from the TOML
    card beside it, or from flags. Start with `verixplain demo`.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and leave the process with its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    sys.exit(execute([word for word in words if word != "--debug"], debug))


def execute(words: Sequence[str], debug: bool = False) -> int:
    """The exit code of one command; errors are said on standard error, in one message each.

    Args:
        words: the command and its arguments.
        debug: whether errors come with their traceback.
    """
    try:
        code = app(args=list(words), prog_name="verixplain", standalone_mode=False)
        sys.stdout.flush()
        return int(code or 0)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted; what was already written is complete", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except VerixplainError as error:
        if debug:
            traceback.print_exc()
        click.echo(f"{type(error).__name__}: {error}", err=True)
        return USAGE if isinstance(error, UsageError) else ERROR
    except Exception as error:
        traceback.print_exc()
        click.echo(
            f"This is a bug in verixplain, not in what you asked ({type(error).__name__}); "
            "please report it with the lines above.",
            err=True,
        )
        return ERROR
