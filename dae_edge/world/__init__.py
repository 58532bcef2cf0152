"""A synthetic world in torch: procedural scenes, exact depth, colour frames, events."""
