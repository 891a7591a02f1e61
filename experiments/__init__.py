"""Studies: ablation, audit, oracle features, grasps lifted in simulation. Run from a clone; not installed."""
