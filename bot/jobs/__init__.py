"""What is done later: due jobs (`worker.py`) and long-running operations of services (`operations.py`)."""
