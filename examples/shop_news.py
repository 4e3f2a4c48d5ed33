"""A shop's bot that writes first: other programs call it by HTTP, and each customer hears of a parcel once.

HTTP_SECRET=$(openssl rand -hex 16) python examples/shop_news.py
curl -H "Authorization: Bearer $HTTP_SECRET" -d '{"customer": 1001, "order": 7}' http://127.0.0.1:8443/order-shipped
"""

from __future__ import annotations

from typing import Any

from govorun import App, HttpRequest, Running

app = App(system_prompt="You are the assistant of a tea shop. Answer in two sentences at most.")


@app.http.post("/order-shipped")
async def order_shipped(request: HttpRequest, running: Running) -> dict[str, Any]:
    order = await request.json()
    text = f"Order **{order['order']}** is on its way."
    sent = await running.send(order["customer"], text, key=f"shipped-{order['order']}")
    return {"first": sent.is_new, "state": (await sent.outcome(within=2)).state}


if __name__ == "__main__":
    app.run()
