"""Drawing on the graphics card: the same pictures as the core's own renderers, for viewports and measurements."""
