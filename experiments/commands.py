"""The studies that `selcon` runs in a clone of the repository; registered in setup.cfg, not installed."""

from selcon_ros.cli.commands import Command

COMMANDS = {
    "ablate": Command(
        "experiments.ablation.command", "Train a configuration with changes and several seeds, and compare."
    ),
    "audit": Command("experiments.audit.command", "Ask a trained run how its part discovery behaves."),
}
