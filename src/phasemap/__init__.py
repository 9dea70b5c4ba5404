"""Trainability phase maps. The rooms are subpackages: ``phasemap.theory``, ``.models``, ``.train`` and ``.sweeps``."""
