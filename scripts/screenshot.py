"""Make the pictures of the README from the sandbox in headless Chromium: `python scripts/screenshot.py [FOLDER]`."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from bot.sandbox.main import Sandbox

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.sandbox.page.chromium import Page

BOT = "document.querySelectorAll('[data-testid^=message-][data-from=bot]').length"
SCENE = ("/image a lighthouse in a storm", "Write code", "Show me a table")


async def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as data:
        sandbox = Sandbox(Path(data))
        url = await sandbox.start()
        try:
            async with Page.open(url) as page:
                await page.resize(1280, 860)
                for number, text in enumerate(SCENE, 1):
                    await page.type("[data-testid=composer]", text)
                    await page.press("Enter")
                    await page.wait_for(f"{BOT} >= {number}", 60)
                await page.type("[data-testid=composer]", "Give me a long answer")
                await page.press("Enter")
                await page.wait_for("document.querySelector('[data-testid=draft]')?.innerText.length > 150", 30)
                await page.screenshot(folder / "sandbox.png")
        finally:
            await sandbox.close()


asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "docs"))
