"""Cases, their runs, and what is known of models: begin with `runs.Evaluations`."""
