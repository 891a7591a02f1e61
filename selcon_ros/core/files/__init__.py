"""Files that others wrote, read within bounds, and files that appear whole or not at all."""
