"""Consumes messages of a RabbitMQ queue with pika until the wanted ids came: URL, queue, ids as arguments."""
import json
import sys

import pika

url, queue, *wanted = sys.argv[1:]
connection = pika.BlockingConnection(pika.URLParameters(url))
channel = connection.channel()
for method, properties, body in channel.consume(queue, inactivity_timeout=60):
    assert method is not None, f"a minute without a message; still missing: {wanted}"
    message = json.loads(body)
    assert properties.message_id == message["id"], (properties.message_id, message)
    assert properties.type == message["type"] and properties.content_type == "application/json", properties
    assert properties.delivery_mode == 2 and properties.timestamp and properties.app_id, properties
    print("taken", message["id"], method.exchange, method.routing_key, flush=True)
    channel.basic_ack(method.delivery_tag)
    wanted = [it for it in wanted if it != message["id"]]
    if not wanted:
        break
connection.close()
