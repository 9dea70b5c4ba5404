"""What is recorded while a network trains. `train.tile` imports it; the signal monitor is for your own training."""
