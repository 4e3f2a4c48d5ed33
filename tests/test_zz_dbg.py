import gc, pytest
from test_store import database, _url
from bot.clock import SystemClock
from bot.storage.store import Store
import sqlite3
@pytest.mark.parametrize("n", range(15))
async def test_open(database, n):
    with sqlite3.connect(database) as o: o.execute("PRAGMA journal_mode=DELETE")
    o.close()
    try:
        async with Store.open(f"sqlite+aiosqlite:///file:{database}?mode=ro&uri=true", SystemClock()): pass
    except Exception as e: pass
    gc.collect()
def test_last(): gc.collect()
