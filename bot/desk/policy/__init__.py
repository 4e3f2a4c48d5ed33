"""What the operator of a desk decides in files: who calls a person, hours, promises of time, rules, canned answers."""
