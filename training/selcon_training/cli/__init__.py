"""The commands of `selcon` that need the trainer: one file per subcommand, registered by an entry point of
the group `selcon.commands`."""

from selcon_ros.cli.commands import Command

COMMANDS = {
    "import-official": Command(
        "selcon_training.cli.import_official", "Turn the authors' checkpoint into a model bundle."
    ),
    "export": Command("selcon_training.cli.export", "Turn a training checkpoint into a model bundle."),
    "data": Command("selcon_training.cli.data", "Check a data set before training."),
    "train": Command("selcon_training.cli.train", "Train the network from a config file."),
    "adapt": Command("selcon_training.cli.adapt", "Adapt a bundle to your own photos with masks."),
    "distill": Command(
        "selcon_training.cli.distill", "Teach a small network what a bundle answers, without labels."
    ),
    "encoders": Command(
        "selcon_training.cli.encoders", "List the encoders, or fetch one for a machine without a connection."
    ),
    "evaluate": Command(
        "selcon_training.cli.evaluate", "Measure a bundle on a data set, with an HTML report."
    ),
    "table": Command(
        "selcon_training.cli.table", "Write evaluations as Markdown tables, bundles side by side."
    ),
    "explain": Command(
        "selcon_training.cli.explain", "Draw part discovery and what leads to it, for any sample."
    ),
    "tune": Command("selcon_training.cli.tune", "Soften a bundle's heatmap as validation says."),
    "fit-confidence": Command(
        "selcon_training.cli.fit_confidence", "Fit a bundle's confidence for a stated false rate."
    ),
    "fit-presence": Command("selcon_training.cli.fit_presence", "Fit which actions an image affords at all."),
    "average": Command("selcon_training.cli.average", "Average the weights of two bundles of one network."),
    "quantize": Command("selcon_training.cli.quantize", "Add an int8 graph for CPUs, measured against fp32."),
}
