"""The eigenvalues of the dynamics of k mini-batches at their fixed point, forward and backward (Thms H.12, H.13, I.2).

At the CBSB1 fixed point the centred batches are independent. So the Jacobian of Σ̃ ↦ σ_w²·E[F(h)·F(h)ᵀ] + σ_b²·11ᵀ is
block triangular, BDOS(U, V, λ_CB): a diagonal block goes its own way, by U with λ_G, λ_L, λ_M; a block between two
batches is multiplied by λ_CB, and driven by V{dΣ_aa} = √c_CB*·dm·1ᵀ, dm the change of the mean activations of batch a.
V is constant along the other batch, so G·V·G = 0: between centred batches nothing is driven, and the eigenvectors of
Thm H.13 are block diagonal or off-diagonal whether or not λ_CB equals another eigenvalue. Backward every block goes its
own way.
"""

from __future__ import annotations

from dataclasses import dataclass

from phasemap.theory.activations import Activation
from phasemap.theory.batchnorm.record import batchnorm_record
from phasemap.theory.errors import InputError


@dataclass(frozen=True)
class Part:
    """An eigenspace of the symmetric kB × kB matrices.

    Attributes:
        space: ``G``, ``L`` or ``M`` of the diagonal blocks (Thm 3.6), ``between`` centred batches, or ``means``, what
            subtracting the batch means removes.
        eigenvalue: None where it does not exist (``batchnorm_record`` says why).
        dimension: of the space.
    """

    space: str
    eigenvalue: float | None
    dimension: int


def spectrum(
    activation: Activation,
    batch_size: int,
    batches: int,
    *,
    direction: str = "forward",
    eps: float = 0.0,
    sigma_w: float = 1.0,
) -> tuple[Part, ...]:
    """All eigenvalues of k batches of one size; the dimensions add up to kB·(kB + 1)/2.

    Args:
        direction: ``forward``, of the covariance, or ``backward``, of the gradients' covariance.

    Raises:
        InputError: no batch, another direction, or as ``batchnorm_record``.
    """
    if batches < 1:
        raise InputError(f"batches {batches}: expected at least 1")
    if direction not in ("forward", "backward"):
        raise InputError(f"direction {direction!r}: expected forward or backward")
    record = batchnorm_record(activation, batch_size, eps=eps, sigma_w=sigma_w)
    rank, rows = batch_size - 1, batches * batch_size
    dimensions = {"G": batches, "L": batches * rank, "M": batches * batch_size * (batch_size - 3) // 2}
    parts = [Part(space, record[direction][space], dimensions[space]) for space in "GLM" if dimensions[space]]
    if batches > 1:
        parts.append(Part("between", record["cross_batch"]["rate"], batches * (batches - 1) // 2 * rank**2))
    return (*parts, Part("means", 0.0, rows * (rows + 1) // 2 - sum(part.dimension for part in parts)))
