// Messages: the application's stream as it grows; publish an event, and see where it went.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { channelApi, get, request } from '../api';
import { type Channel, type Delivery, target } from '../channels';
import { count } from '../format';
import { generation, listen } from '../live';
import { href, route, setQuery } from '../router';
import { mayChange, mayRead } from '../session';
import type { StreamItem } from '../socket';
import { Action, announce, Badge, Dialog, Empty, ErrorText, Field, Time, usePolling } from '../ui';
import { Virtual } from '../virtual';
import { Explain } from './channel';
import { summary } from './overview';

/** Events that are kept in the list. */
const KEPT = 100_000;

const fits = (pattern: string, type: string) => !pattern || pattern === '*' || pattern === type || (pattern.endsWith('.*') && type.startsWith(pattern.slice(0, -1)));

export default function Messages({ id }: { id: string }) {
  const rows = useSignal<StreamItem[]>([]);
  const next = useSignal<string | undefined>(undefined);
  const error = useSignal<unknown>(undefined);
  const publishing = useSignal(false);
  const opened = useSignal<StreamItem | undefined>(undefined);
  const type = route.value.query.get('type') ?? '';
  const read = async (before?: string) => {
    try {
      const page = await get<{ items: StreamItem[]; next?: string }>('/api/v1/Notification/Messages', { limit: 100, type: type || undefined, before });
      const known = new Set(rows.value.map((it) => it.id));
      rows.value = before ? rows.value.concat(page.items.filter((it) => !known.has(it.id))) : page.items;
      next.value = page.next;
      error.value = undefined;
    } catch (why) {
      error.value = why;
    }
  };
  useEffect(() => {
    rows.value = [];
    void read();
    return listen((items) => {
      const newest = rows.value[0]?.sequence ?? 0;
      const fresh = items.filter((it) => it.sequence > newest && fits(type, it.type)).reverse();
      if (fresh.length === 0) return;
      rows.value = fresh.concat(rows.value).slice(0, KEPT);
      announce(`New: ${fresh[0]!.type}`);
    });
  }, [type, generation.value]);
  useEffect(() => {
    if (!id) return;
    get<StreamItem>(`/api/v1/Notification/Messages/${encodeURIComponent(id)}`).then(
      (it) => (opened.value = it),
      (why) => (error.value = why),
    );
  }, [id]);
  return (
    <div class="fill">
      <div class="filters">
        <Field label="Type" value={type} set={(it) => setQuery({ type: it })} hint="item.*, order.paid; empty for all" />
        <span class="space" />
        {mayChange('messages') && (
          <button type="button" class="primary" onClick={() => (publishing.value = true)}>
            Publish…
          </button>
        )}
      </div>
      <ErrorText error={error.value} />
      {rows.value.length === 0 && !error.value && <Empty>Nothing was published yet.</Empty>}
      <Virtual
        rows={rows.value}
        height={40}
        label="Messages"
        keyOf={(it) => it.id}
        onEnd={() => next.value && void read(next.value)}
        render={(it) => (
          <button type="button" class="log-row" onClick={() => (opened.value = it)}>
            <span class="medium-only end dim number">
              {count(it.sequence)}
            </span>
            <span class="time">
              <Time at={it.timestamp ?? it.createdAt} />
            </span>
            <span class="type cut">
              <code>{it.type}</code>
            </span>
            <span class="cut grow">
              {summary(it)}
            </span>
          </button>
        )}
      />
      {publishing.value && (
        <Dialog title="Publish an event" close={() => (publishing.value = false)}>
          <Publish />
        </Dialog>
      )}
      {opened.value && (
        <Dialog title={opened.value.type} close={() => (opened.value = undefined)}>
          <p class="dim">
            <Time at={opened.value.timestamp ?? opened.value.createdAt} /> <code class="wrap">{opened.value.id}</code>
          </p>
          <pre tabIndex={0}>{JSON.stringify(opened.value.data, null, 2)}</pre>
          {mayRead('channels') && <Whereabouts id={opened.value.id} />}
        </Dialog>
      )}
    </div>
  );
}

function Publish() {
  const [type, data] = [useSignal('order.paid'), useSignal('{\n  "order": 7\n}')];
  const error = useSignal<unknown>(undefined);
  const made = useSignal<string | undefined>(undefined);
  let parsed: unknown;
  let wrong: string | undefined;
  try {
    parsed = JSON.parse(data.value);
  } catch (why) {
    wrong = `Not JSON: ${why instanceof Error ? why.message : ''}`;
  }
  const badType = /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/.test(type.value) ? undefined : 'Words of letters, digits, _ and -, separated by dots';
  const publish = async () => {
    error.value = undefined;
    try {
      const result = await request<{ id: string }>('POST', '/api/v1/Notification/Messages', { json: { type: type.value, data: parsed } });
      made.value = result.id;
    } catch (why) {
      error.value = why;
    }
  };
  return (
    <form onSubmit={(event) => event.preventDefault()}>
      <Field label="Type" value={type.value} set={(it) => (type.value = it)} error={badType} required />
      <Field label="Data" value={data.value} set={(it) => (data.value = it)} rows={8} error={wrong} />
      <ErrorText error={error.value} />
      <Action run={publish} kind="primary" disabled={!!wrong || !!badType}>
        Publish
      </Action>
      {made.value && (
        <>
          <p role="status">
            It is published as <code class="wrap">{made.value}</code>.
          </p>
          {mayRead('channels') && <Whereabouts id={made.value} />}
        </>
      )}
    </form>
  );
}

/** Where a notification went: its delivery at each channel, or why there is none. */
function Whereabouts({ id }: { id: string }) {
  const channels = useSignal<Channel[]>([]);
  const deliveries = useSignal<Delivery[]>([]);
  usePolling(
    async () => {
      [channels.value, deliveries.value] = await Promise.all([
        channelApi<Channel[]>('GET', '/ChannelConfiguration/All'),
        channelApi<Delivery[]>('GET', '/Deliveries', { query: { notification: id } }),
      ]);
    },
    2_000,
    [id],
  );
  return (
    <>
      <h3>Where it went</h3>
      {channels.value.length === 0 && <Empty>There is no channel that it could go to.</Empty>}
      <ul class="lines">
        {channels.value.map((it) => {
          const delivery = deliveries.value.find((other) => other.configurationId === it.id);
          return (
            <li key={it.id}>
              <Badge text={delivery?.state ?? 'none'} /> <a href={href('channels', it.id)}>{target(it)}</a>
              {!delivery && <Explain channel={it} notification={id} />}
            </li>
          );
        })}
      </ul>
    </>
  );
}
