"""Studies of the paper's method: ablation, audit and oracle features. Run from a clone; not installed."""
