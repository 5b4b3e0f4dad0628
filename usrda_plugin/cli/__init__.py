"""The commands: ``basicsr`` starts BasicSR's runner, ``usrda`` is what is ours."""
