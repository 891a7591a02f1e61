"""From a bundle to the engine of one machine: graph, build, cache, proof."""
