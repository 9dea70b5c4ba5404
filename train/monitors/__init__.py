"""What is recorded while a network trains. `train.tile` imports it; `SignalPropagationMonitor` is for your own training."""
