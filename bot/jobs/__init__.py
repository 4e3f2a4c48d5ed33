"""Background work: due jobs (`worker.py`) and long-running operations of AI services (`operations.py`)."""
