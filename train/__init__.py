"""Data sets, the LightningModule, member-wise optimizers; trains one tile."""
