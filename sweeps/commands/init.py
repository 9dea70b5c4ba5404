"""``phasemap init``: a commented experiment file to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from phasemap.theory.errors import InputError
from phasemap.theory.shown import shown


def command(
    file: Annotated[Path, typer.Argument(help="the file to write; it must not exist")] = Path("phase-map.yaml"),
    family: Annotated[str, typer.Option(help="family of networks; a wrong one lists all")] = "",
) -> None:
    """Writes a commented experiment file of your own, ready to run; its path is the last line.

    Example: phasemap init my-map.yaml
    """
    from phasemap.sweeps.experiments.own_file import own_file
    from phasemap.train.families.catalogue import DEFAULT

    if file.suffix not in (".yaml", ".yml"):
        raise InputError(f"{file}: expected a name that ends in .yaml")
    text = own_file(family or DEFAULT, str(file))
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)
    except FileExistsError:
        raise InputError(f"{file}: is there already; give another name") from None
    except OSError as error:
        raise InputError(f"{file}: cannot be written: {error.strerror}") from None
    print(shown(str(file)))
