"""Make the pictures of the README from the sandbox in headless Chromium: `python scripts/screenshot.py [FOLDER]`."""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
from pathlib import Path

from playwright.async_api import expect

from bot.sandbox.main import Sandbox

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.sandbox.page.chromium import launched, new_tab, visiting

SCENE = ("Show me a table", "/image 16:9 a lighthouse in a storm", "Give me a long answer")
MOST = re.compile(r"[\s\S]{150}")


async def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as data:
        sandbox = Sandbox(Path(data))
        url = await sandbox.start()
        try:
            async with launched() as browser, new_tab(browser, [], height=1060) as page, visiting(page, url):
                await page.get_by_test_id("tab-journal").click()
                answers = page.locator("[data-testid^=message-][data-from=bot]")
                for number, text in enumerate(SCENE):
                    await expect(answers).to_have_count(number, timeout=60_000)
                    await page.get_by_test_id("composer").fill(text)
                    await page.get_by_test_id("composer").press("Enter")
                await expect(page.get_by_test_id("draft")).to_have_text(MOST, timeout=60_000)
                await page.screenshot(path=folder / "sandbox.png")
        finally:
            await sandbox.close()


asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "docs"))
