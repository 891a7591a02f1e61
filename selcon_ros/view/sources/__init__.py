"""Where the frames of a viewer come from: one file for each kind of source."""
