# The original system's websocket_client.py as it is, but for the address, which is its argument.
import asyncio
import sys
import websockets
import json

async def websocket_client():
    user_id = 123 # update the user_id for which you want to receive the notification
    async with websockets.connect(f"{sys.argv[1]}/notifications/ws/{user_id}") as ws:
        while True:
            message = await ws.recv()
            print(f"Notification received from user {user_id}")
            # Log the received raw message
            # print(f"Received raw message: {message}")

            try:
                # Parse the JSON message
                json_data = json.loads(message)
                # Now you can work with the parsed JSON data
                print("Notification data is :  ", json_data, flush=True)
            except json.JSONDecodeError as e:
                print(f"Error decoding JSON: {e}")

# Run the WebSocket client
asyncio.run(websocket_client())
