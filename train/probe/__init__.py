"""The probe: how signals and gradients propagate through any torch model, by one forward and one backward pass.

``probe(model, x)`` (measure.py) is the whole of it for a user; the other files are its steps, in this order:
untouched.py (the model is left as it was), autograd/ (activations, graph, rescaled backprop), rate.py (the explosion
rate and its interval), prediction.py (what the theories say of the same layers, a file each).
"""
