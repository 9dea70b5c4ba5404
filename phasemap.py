"""The front door: the console command ``phasemap``. It only parses and dispatches; heavy imports wait in commands."""

from __future__ import annotations

import sys

import typer

from theory.command_line import app as theory_app
from theory.errors import InputError

# Typer carries its own copy of click in newer versions; this is its UsageError in all of them.
UsageError = typer.BadParameter.__mro__[1]

app = typer.Typer(
    name="phasemap",
    help="Trainability phase maps: train a grid of deep networks, draw the theory's prediction over the heat map.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(theory_app, name="theory")


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line. Bad input prints one line per mistake on standard error and exits with 2."""
    try:
        code = app(args=arguments, standalone_mode=False)
    except InputError as error:
        for message in error.messages:
            print(f"phasemap: error: {message}", file=sys.stderr)
        sys.exit(2)
    except UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            print(error.format_message())
        else:
            command = error.ctx.command_path if error.ctx else "phasemap"
            print(f"{command}: error: {error.format_message()}", file=sys.stderr)
        sys.exit(2)
    except (typer.Abort, KeyboardInterrupt):
        sys.exit(130)
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
