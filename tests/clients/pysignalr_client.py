# A third SignalR client, for asyncio: connects with a token, subscribes, prints the titles that it is told.
import asyncio
import sys
from pysignalr.client import SignalRClient

url, token = sys.argv[1], sys.argv[2]
# it asks its factory when the socket is open already: negotiation and upgrade have what `headers` say
client = SignalRClient(url, access_token_factory=lambda: token, headers={"Authorization": f"Bearer {token}"})


async def told(arguments):
    for it in arguments[0]:
        print("told", it["title"], flush=True)


async def subscribed(completion):
    print("error" if completion.error else "subscribed", completion.error or "", flush=True)


async def opened():
    await client.send("Subscribe", [], subscribed)


client.on("Notifications", told)
client.on_open(opened)
asyncio.run(client.run())
