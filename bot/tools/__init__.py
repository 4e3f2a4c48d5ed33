"""Functions that models may call: `tool.Tool`, the toolbox, stored actions that wait for a yes, MCP servers."""
