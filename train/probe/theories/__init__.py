"""What each theory recognises among measured layers, and predicts of them; `train.probe.prediction` asks each."""
