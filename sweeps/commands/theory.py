"""``phasemap theory …``: predictions without training. Answers in under a second; never imports torch."""

from __future__ import annotations

import typer

from phasemap.sweeps.commands.theory_batchnorm import batchnorm
from phasemap.sweeps.commands.theory_resnet import resnet

app = typer.Typer(help="What the theory predicts, without training.", no_args_is_help=True, rich_markup_mode=None)
app.command()(batchnorm)
app.command()(resnet)
