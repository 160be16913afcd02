"""Ten calls with the client that openapi-python-client generates: what was sent is what is read."""

import os
from uuid import UUID

from notifications_client import Client
from notifications_client.api.buckets import get_media_buckets_by_id, post_media_buckets
from notifications_client.api.channels import (
    get_notification_channel_configuration,
    post_notification_channel_configuration_web_hook,
)
from notifications_client.api.inbox import (
    get_inbox_by_user_counts,
    get_inbox_by_user_notifications,
    post_inbox_by_user_marks,
    post_inbox_by_user_notifications,
    put_inbox_by_user_preferences,
)
from notifications_client.api.items import get_media_items_by_id
from notifications_client.models import BucketIn, Link, Mark, NotificationIn, PreferencesBody, RuleBody, WebhookForm

application = UUID(os.environ["APPLICATION"])
keys = {"x-api-key": os.environ["KEY"], "x-api-secret": os.environ["SECRET"]}
client = Client(base_url=os.environ["URL"], headers=keys)
user = "jane von python"
done = 0


def same(what, found, wanted):
    global done
    assert found == wanted, f"{what}: {found!r}, not {wanted!r}"
    done += 1


note = NotificationIn(title="Grüße", type_="message.received", priority=7, links=[Link(href="/news/17")])
sent = post_inbox_by_user_notifications.sync(user, client=client, body=note)
same("what was sent", [(it.status, it.sequence, it.user) for it in sent], [(201, 1, user)])

page = get_inbox_by_user_notifications.sync(user, client=client, limit=5)
told = [(it.id, it.type_, it.title, it.links[0].href) for it in page.items]
same("the inbox", told, [(sent[0].id, "message.received", "Grüße", "/news/17")])

counts = post_inbox_by_user_marks.sync(user, client=client, body=Mark(change="read", ids=[sent[0].id]))
same("counts after reading", (counts.total, counts.unread), (1, 0))

again = get_inbox_by_user_counts.sync(user, client=client)
same("the counts again", again, counts)

rules = PreferencesBody(rules=[RuleBody(type_="message.*", in_app=True, escalate_after_minutes=30)])
same("what the user wants", put_inbox_by_user_preferences.sync(user, client=client, body=rules), rules)

late = PreferencesBody(rules=[RuleBody(type_="message.*", in_app=True, escalate_after_minutes=1_000_000_000)])
refused = put_inbox_by_user_preferences.sync_detailed(user, client=client, body=late)
same("a refusal", (refused.status_code, refused.parsed.field, refused.parsed.status), (422, "rules", 422))

hook = WebhookForm(web_hook_url="https://hooks.example.com/news", is_active=False, retry_count=3)
channel = post_notification_channel_configuration_web_hook.sync(client=client, body=hook, application_id=application)
same("a channel", (channel.application_id, channel.channel, channel.is_active), (str(application), 0, False))

stored = get_notification_channel_configuration.sync(
    client=client, application_id=application, configuration_id=UUID(channel.id)
)
same("the channel again", stored.notification_channel_configuration_json, channel.notification_channel_configuration_json)

bucket = BucketIn(bucket="rushes", schedule="rate(30 days)", system="datacore", endpoint="https://s3.example.com")
made = post_media_buckets.sync(client=client, body=bucket)
same("the bucket", get_media_buckets_by_id.sync(made.id, client=client), made)

missing = get_media_items_by_id.sync_detailed("itm_00000000000000000000000000000001", client=client)
same("no item", (missing.status_code, missing.parsed.detail), (404, "there is no item of that id"))

print("right", done)
