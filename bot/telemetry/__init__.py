"""What operators see: logs, metrics, traces, incidents, outages, and the log line of each turn."""
