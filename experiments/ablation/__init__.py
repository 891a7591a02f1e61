"""Studies: one configuration trained with changes, each with several seeds, and compared."""
