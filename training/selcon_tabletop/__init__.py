"""The synthetic tabletop world: rendered data, encoders, the packaged bundle and recording.

It registers its command and its encoders by entry points; `selcon_training` does not import it.
"""

from selcon_ros.cli.commands import Command

COMMANDS = {
    "tabletop": Command("selcon_tabletop.cli", "Render the synthetic tabletop data and train its encoders."),
}
