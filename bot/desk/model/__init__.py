"""What models do at the desk: drafts for operators, summaries, and the tool with which a model hands over."""
