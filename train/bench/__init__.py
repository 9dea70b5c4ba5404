"""``phasemap bench``: what the engine gains over the ways in which the same cells would be trained otherwise.

``cases.py`` says which cells, ``methods.py`` how they can be trained, ``process.py`` and ``measure.py`` time them,
``roofline.py`` says how far it is to the machine's limit, ``startup.py`` how long the commands take to begin,
``table.py`` makes the README's table of the JSON.
"""
