"""Small tools for concurrent work: leases, deadlines, back-pressure, child processes for files from people."""
