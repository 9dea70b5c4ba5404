"""What the words in outputs, reports and pages mean."""

from __future__ import annotations

MAPS = {
    "phase map": "accuracies of networks over two parameters, one of them usually the depth, with the theory's "
    "prediction drawn over them",
    "cell": "one network: one point of the map with one seed",
    "tile": "the cells that are trained together in one process; one result file, one W&B run",
    "preset": "the size of an experiment: smoke (seconds), quick (minutes), paper (as published)",
    "finished, diverged, dead, missing": "how a cell ended: trained; a loss or a weight was no longer finite; the "
    "outputs are the same for every input; not trained",
    "chance": "the accuracy of always guessing the commonest class",
    "lead over chance": "accuracy minus chance",
    "frontier": "in each column the depth at which a network has half of the best accuracy's lead over chance",
    "censored": "a frontier that lies above or below the depths of the map, so that only its side is known",
    "κ": "kappa, the frontier in depth scales: the geometric mean of frontier/ξ over the columns whose frontier is in "
    "the map. It depends on the data and on how the networks were trained",
    "Σ lr": "sum of the learning rates of all steps; how far the weights have moved, in units of the gradient",
    "ρ": "Spearman's rank correlation, here of the frontier with ξ: 1 if both rise together in every column",
    "lead, share": "an accuracy as a share of the best lead over chance; the frontier is at one half",
}
BATCHNORM = {
    "B": "batch size: how many samples share a mean and a variance in batch normalisation (BN)",
    "γ, β, ε, σ_w": "BN computes γ·(x − mean)/√(variance + ε) + β; weights have the variance σ_w²/fan_in",
    "λ_G": "gradient explosion rate: the factor by which the squared norm of the gradient grows at each layer towards "
    "the input, in a wide network before training",
    "ξ": "xi, the depth scale 1/|ln λ_G|: over ξ layers the squared gradient changes by a factor e = 2.718",
    "16 ξ": "the depth up to which the paper says that networks can be trained; the line on the maps",
    "exploding, vanishing, critical": "λ_G above 1, below 1, equal to 1",
    "BSB1": "the state of a batch after many layers in which all its samples are equally correlated. The theory "
    "expands around it; where it is unstable, networks go elsewhere",
    "BSB2": "where batches go if BSB1 is unstable: some samples move apart from the others. The theory then follows "
    "whole batches, and gives the rate there with an error",
    "G, L, M": "three kinds of small change of a batch's covariance: its size, the samples' variances, their "
    "correlations. Each has a growth factor a layer, forward and backward",
    "cross-batch": "of two different batches: the covariance of their samples, and the rate at which it settles",
    "critical ε": "the ε at which λ_G = 1; for a larger one the signal dies out",
    "q*, c*, μ*": "at BSB1 the mean square of a pre-activation, the correlation of two samples, and the variance "
    "within a batch",
}
RESIDUAL = {
    "q, p": "mean square of a pre-activation, and of the sum after a block",
    "γ, λ": "mean product of two inputs' activations, and of their pre-activations",
    "e, c": "correlation of two inputs' activations, γ/p, and of their pre-activations, λ/q",
    "s": "p − γ, half of the mean squared distance of two inputs' activations",
    "χ": "mean square of the gradient by an activation, relative to the last layer's",
    "χ_w, χ_v, χ_a, χ_b": "mean squares of the gradient by one weight or bias of a block",
    "σ_w, σ_v, σ_a, σ_b": "standard deviations of a block's weights and biases: x + v·φ(w·x + b) + a",
    "β_w, β_v, β_a, β_b": "their variances fall with the layer l as σ²·l^(−β) (variance variation, VV)",
    "δ": "depth_scaling: the variances are multiplied by (number of blocks)^(−δ)",
    "width variation, WV": "the width changes from block to block, as in 2048/2@16,25,36",
    "zig, zag": "the two paths through the exponents β of Yang & Schoenholz's Fig. 2",
}
PROBE = {
    "point": "a layer or block whose output every path through the network passes; rates are measured between them",
    "allowance": "what finite width may add to a measured ln λ_G; the interval holds it where the theory knows the "
    "network",
    "pre-activation": "the output of a layer with weights, before normalisation and activation function",
}
GROUPS = {
    "Maps and runs": MAPS,
    "Batch normalisation": BATCHNORM,
    "Residual networks": RESIDUAL,
    "The probe": PROBE,
}
"""By the heading of each group: words and what they mean."""
SAME = {"kappa": "κ", "xi": "ξ", "sum_lr": "Σ lr", "rho": "ρ", "lambda_g": "λ_G", "depth scale": "ξ", "batch size": "B"}
"""Other spellings."""


def words_like(word: str) -> dict[str, str]:
    """The entries that name ``word``, alone or among others, in any case."""
    wanted = SAME.get(word.lower(), word).lower()
    entries = {name: meaning for group in GROUPS.values() for name, meaning in group.items()}
    return {
        name: meaning
        for name, meaning in entries.items()
        if wanted in [part.lower() for part in (name, *name.split(", "))]
    }
