"""Measuring predictions: per query, over a data set, and baselines to stand beside."""
