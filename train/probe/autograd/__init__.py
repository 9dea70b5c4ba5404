"""One forward pass, its graph, and one backward pass through any torch model. `train.probe` and above import it.

forward.py records the calls of the layers and their moments, graph.py what lies between output and input, backward.py
does rescaled backprop, and chains.py makes of layers the points that the explosion rate is measured between.
"""
