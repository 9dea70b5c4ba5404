"""The torch catalogue against the theory's: the same names, values and derivatives; and user code in both."""

from pathlib import Path

import numpy as np
import pytest
import torch

from phasemap.models.activations import torch_activation
from phasemap.theory.activations import BUILT_IN, activation
from phasemap.theory.errors import InputError

USER = """
def swish(z, xp):
    return z / (1 + xp.exp(-z))

def swish_derivative(z, xp):
    s = 1 / (1 + xp.exp(-z))
    return s + z * s * (1 - s)
"""


@pytest.fixture
def user_file(tmp_path: Path) -> str:
    path = tmp_path / "mine.py"
    path.write_text(USER)
    return f"{path}:swish"


def assert_agree(name: str) -> None:
    z = np.linspace(-4, 4, 801) + 1e-3  # off the kinks
    numpy_phi = activation(name, slope=0.3, alpha=2.5)
    torch_phi = torch_activation(name, slope=0.3, alpha=2.5)
    t = torch.from_numpy(z)
    out = torch_phi.phi(t)
    derivative = torch_phi.backward(torch.ones_like(t), t if torch_phi.needs_input else None, out)
    np.testing.assert_allclose(out.numpy(), numpy_phi.phi(z), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(derivative.numpy(), numpy_phi.derivative(z), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("name", BUILT_IN)
def test_catalogues_agree(name: str) -> None:
    assert_agree(name)


@pytest.mark.parametrize("slope", [0.2, 0.0, -0.5, 1.5])
def test_leaky_relu_of_any_slope(slope: float) -> None:
    z = torch.linspace(-2, 2, 40, dtype=torch.float64)
    phi = torch_activation("leaky-relu", slope=slope)
    assert phi.needs_input == (slope < 0)
    out = phi.phi(z)
    torch.testing.assert_close(out, torch.where(z > 0, z, slope * z))
    slopes = phi.backward(torch.ones_like(z), z if phi.needs_input else None, out)
    torch.testing.assert_close(slopes, torch.where(z > 0, 1.0, slope).double())


@pytest.mark.parametrize("name", BUILT_IN)
def test_in_place_is_the_same_and_spares_what_the_derivative_needs(name: str) -> None:
    phi = torch_activation(name, slope=0.3, alpha=2.5)
    z = torch.linspace(-3, 3, 50)
    own = z.clone()
    assert torch.equal(phi.of_own(own), phi.phi(z))
    if phi.needs_input:
        assert torch.equal(own, z)


def test_what_is_not_a_number_stays_so() -> None:
    for name in BUILT_IN:
        assert torch_activation(name, alpha=1.5).phi(torch.tensor([float("nan")])).isnan().all(), name


def test_user_code_serves_both(user_file: str) -> None:
    assert_agree(user_file)


@pytest.mark.parametrize("name", ["relo", "nowhere.py:phi", "mine.py:"])
def test_bad_names_are_input_errors(name: str) -> None:
    with pytest.raises(InputError):
        torch_activation(name)
    with pytest.raises(InputError):
        activation(name)


def test_user_file_without_derivative(tmp_path: Path) -> None:
    path = tmp_path / "half.py"
    path.write_text("def phi(z):\n    return z\n")
    with pytest.raises(InputError, match="phi_derivative"):
        torch_activation(f"{path}:phi")
