"""Expectations of φ over one and two samples of a batch. `theory.batchnorm` may import it."""
