"""How BasicSR is started: plugins, seams, options, launch."""
