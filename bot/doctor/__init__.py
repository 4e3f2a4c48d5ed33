"""The checks of `govorun doctor`. Begin with `examination.examine`."""
