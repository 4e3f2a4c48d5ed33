"""`govorun doctor`. Begin at `examination.py`."""
