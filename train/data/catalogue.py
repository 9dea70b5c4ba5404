"""The catalogue of data sets: what each is, how large, where it comes from, and who loads it. Imports no numerics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from phasemap.theory.catalogue import Catalogue

if TYPE_CHECKING:
    from phasemap.train.data.samples import Raw

NPZ = ".npz"


@dataclass(frozen=True)
class DataSize:
    """Samples, inputs and classes of a data set."""

    train: int
    test: int
    inputs: int
    classes: int


@dataclass(frozen=True)
class DataSet:
    """One data set.

    Attributes:
        title: what a figure calls it. size: of the whole set.
        loader: gives the samples, from the user's data folder if there is one: a function, or ``module:function``.
        source: where it comes from, and under which licence.
    """

    title: str
    size: DataSize
    loader: str | Callable[[Path | None], Raw]
    source: str

    def load(self, data_dir: Path | None) -> Raw:
        """The samples as they are stored.

        Args:
            data_dir: overrides the environment's PHASEMAP_DATA_DIR.

        Raises:
            InputError: they cannot be had.
        """
        if isinstance(self.loader, str):
            module, _, function = self.loader.partition(":")
            found: Raw = getattr(import_module(module), function)(data_dir)
            return found
        return self.loader(data_dir)


DATA_SETS: Catalogue[DataSet] = Catalogue("data set", {})
DATA_SETS.register(
    "digits",
    DataSet(
        "digits",
        DataSize(1397, 400, 64, 10),
        "phasemap.train.data.digits:load",
        "8 x 8 digits that come with scikit-learn (UCI optical recognition of handwritten digits, CC BY 4.0)",
    ),
)
DATA_SETS.register(
    "mnist",
    DataSet(
        "MNIST",
        DataSize(60_000, 10_000, 784, 10),
        "phasemap.train.data.vision:load_mnist",
        "LeCun, Cortes and Burges, by torchvision (CC BY-SA 3.0)",
    ),
)
DATA_SETS.register(
    "cifar10",
    DataSet(
        "CIFAR-10",
        DataSize(50_000, 10_000, 3072, 10),
        "phasemap.train.data.vision:load_cifar10",
        "Krizhevsky 2009, by torchvision",
    ),
)
DATA_SETS.register(
    "cifar100",
    DataSet(
        "CIFAR-100",
        DataSize(50_000, 10_000, 3072, 100),
        "phasemap.train.data.vision:load_cifar100",
        "Krizhevsky 2009, by torchvision",
    ),
)


def is_data_set(value: str) -> bool:
    """Whether the text names a data set of the catalogue, or a ``.npz`` file."""
    return value in DATA_SETS or value.endswith(NPZ)


def usual_size(dataset: str) -> DataSize:
    """The size of a whole data set, as far as it is known without a look at it: MNIST's for a user's own file."""
    return DATA_SETS[dataset if dataset in DATA_SETS else "mnist"].size
