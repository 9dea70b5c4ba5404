"""What a theory needs in order to give advice: the options that it takes, the answer, and the answer in words."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, ClassVar

Record = dict[str, Any]
"""An answer, ready for strict JSON."""


class Adviser(ABC):
    """Advice by the theory of one family of networks.

    Attributes:
        arch: the family, as ``--arch`` names it.
        setting: the dataclass whose fields are the network's options.
        evidence: options for what the advice rests on; a map may say it instead.
        defaults: of the options, where they differ from those of ``setting``.
    """

    arch: ClassVar[str]
    setting: ClassVar[type]
    evidence: ClassVar[tuple[str, ...]] = ()
    defaults: ClassVar[Mapping[str, Any]] = {}

    def own_options(self) -> set[str]:
        """The network's options by name, without its depth."""
        return {field.name for field in fields(self.setting)} - {"depth"}

    @abstractmethod
    def advise(
        self, depth: int, settings: dict[str, Any], evidence: Mapping[str, Any], map_source: str | None
    ) -> Record:
        """The answer; its ``arch`` is the adviser's.

        Args:
            settings: the network's options, defaults filled in. evidence: those of ``evidence`` that were given.
            map_source: a folder or ``wandb:ENTITY/PROJECT/SWEEP`` that takes their place.

        Raises:
            InputError: one line for every mistake.
        """

    @abstractmethod
    def lines(self, record: Mapping[str, Any]) -> Sequence[str]:
        """The answer as lines for a person."""
