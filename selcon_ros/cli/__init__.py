"""The `selcon` command: one file per subcommand."""
