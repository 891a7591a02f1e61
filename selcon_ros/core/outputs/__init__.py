"""What is made of heatmaps and grasp points for people, planners and reports."""
