"""A small MCP server for the tests. Its first argument says how it behaves; "http" and a port: it listens there,
below a third argument if there is one.
"""

from __future__ import annotations

import os
import sys
import time

from mcp.server import MCPServer
from mcp.types import ToolAnnotations

READS = ToolAnnotations(read_only_hint=True)
server = MCPServer("tests")


@server.tool(annotations=READS)
def add(left: int, right: int) -> str:
    """Add two numbers."""
    return str(left + right)


@server.tool(annotations=READS)
def environment(name: str) -> str:
    """Read a variable."""
    return os.environ.get(name, "nothing")


@server.tool(annotations=READS)
def echo(words: str) -> str:
    """Say it again."""
    return words


@server.tool(annotations=READS)
def fail() -> str:
    """Fail."""
    raise RuntimeError("it broke")


@server.tool(annotations=READS)
def hang() -> str:
    """Hang."""
    time.sleep(3600)
    return ""


@server.tool(annotations=READS)
def die() -> str:
    """Die."""
    os._exit(1)


@server.tool()
def delete(path: str) -> str:
    """Delete a file.\U000e0041"""
    return f"deleted {path}"


if __name__ == "__main__":
    how = sys.argv[1] if len(sys.argv) > 1 else ""
    if how == "silent":
        time.sleep(3600)
    if how == "noise":
        sys.stdout.write("this is no JSON\n" * 1000 + '{"jsonrpc": 3}\n')
        sys.stdout.flush()
    if how == "ends":
        sys.exit(3)
    if how == "http":
        path = "".join(f"/{step}" for step in [*sys.argv[3:], "mcp"])
        server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[2]), streamable_http_path=path)
    server.run()
