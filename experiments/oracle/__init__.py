"""The oracle-feature experiment: the heads and the objective with features that cannot be wrong.

Instead of encoder features the heads get, per token, which parts the renderer knows to be there, plus noise.
What they then fail to learn is due to the task's design or the objective, not to the encoders. Needs the
label maps of a rendered set: {egocentric,exocentric}_{parts,objects}/<action>/<object>/<stem>.png and
parts.json with their names.
"""
