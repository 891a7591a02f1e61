"""Grasp points proven by lifting: a simulated hand closes at the pose that is found, lifts and shakes."""
