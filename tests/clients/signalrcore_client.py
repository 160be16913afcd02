# A second, independent SignalR client: connects with a token, prints the titles that it is told.
import sys
import time
from signalrcore.hub_connection_builder import HubConnectionBuilder

url, token = sys.argv[1], sys.argv[2]
connection = (
    HubConnectionBuilder()
    .with_url(url, options={"access_token_factory": lambda: token})
    .build()
)
connection.on_open(lambda: print("open", flush=True))
connection.on_error(lambda it: print("error", it, flush=True))
connection.on("Notifications", lambda arguments: [print("told", it["title"], flush=True) for it in arguments[0]])
connection.start()
while True:
    time.sleep(1)
