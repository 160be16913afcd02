// Overview: how many items there are in each status, deliveries, sockets, dead letters, the oldest that waits, today's cost.
import { useSignal } from '@preact/signals';
import { useEffect, useMemo } from 'preact/hooks';
import { channelApi, get } from '../api';
import { count, duration, money } from '../format';
import { type Item, STATUSES } from '../items';
import { generation, listen, recent } from '../live';
import { Plot } from '../plot';
import { href } from '../router';
import { deadLetterCount } from '../deadletters';
import { mayRead } from '../session';
import type { StreamItem } from '../socket';
import { Badge, Empty, now, Panel, Time, usePolling } from '../ui';

interface Minute {
  at: string;
  delivered: number;
  failed: number;
}

const MINUTES = 60;

function Tile({ name, value, to, tone }: { name: string; value: string; to?: string; tone?: string }) {
  const inner = (
    <>
      <span class="tile-name">{name}</span>
      <span class={`tile-value ${tone ?? ''}`}>{value}</span>
    </>
  );
  return to ? (
    <a class="tile" href={to}>
      {inner}
    </a>
  ) : (
    <div class="tile">{inner}</div>
  );
}

/** What an event says, in a line. */
export function summary(event: StreamItem): string {
  const data = (event.data ?? {}) as Record<string, Record<string, unknown>>;
  const text = (it: unknown) => (typeof it === 'string' || typeof it === 'number' ? String(it) : '');
  const about = text(data['item']?.['key']) || text(data['bucket']?.['bucket']) || text(data['channel']?.['id']) || text((event.data as Record<string, unknown>)?.['title']);
  const why = text(data['error']?.['message']) || text((event.data as Record<string, unknown>)?.['reason']);
  const said = [about, why].filter(Boolean).join(': ');
  return said || (event.data === undefined ? '' : JSON.stringify(event.data).slice(0, 200));
}

function Recent() {
  const rows = recent.value.slice(0, 12);
  return (
    <Panel title="Latest events" actions={<a href={href('messages')}>All</a>}>
      {rows.length === 0 ? (
        <Empty>Nothing has happened yet.</Empty>
      ) : (
        <ul class="events">
          {rows.map((it) => (
            <li key={it.id}>
              <Time at={it.timestamp ?? it.createdAt} />
              <code>{it.type}</code>
              <span class="cut">{summary(it)}</span>
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}

function Deliveries() {
  const minutes = useSignal<Minute[]>([]);
  const more = useSignal(false);
  const read = async () => {
    const summary = await channelApi<{ minutes: Minute[]; more: boolean }>('GET', '/Deliveries/Summary');
    minutes.value = summary.minutes;
    more.value = summary.more;
  };
  usePolling(read, 10_000, []);
  const thisMinute = Math.floor(now.value / 60_000);
  const { times, delivered, failed } = useMemo(() => {
    const by = new Map(minutes.value.map((it) => [Math.floor(Date.parse(it.at) / 60_000), it]));
    const all = Array.from({ length: MINUTES }, (_, index) => thisMinute - MINUTES + 1 + index);
    return {
      times: all.map((it) => it * 60),
      delivered: all.map((it) => by.get(it)?.delivered ?? 0),
      failed: all.map((it) => by.get(it)?.failed ?? 0),
    };
  }, [minutes.value, thisMinute]);
  const sum = (all: number[]) => all.reduce((a, b) => a + b, 0);
  const total = `${count(sum(delivered))}${more.value ? ' or more' : ''} delivered and ${count(sum(failed))} failed attempts in the last hour`;
  const series = useMemo(
    () => [
      { name: 'all attempts', values: delivered.map((it, index) => it + failed[index]!), color: '--bad' },
      { name: 'delivered', values: delivered, color: '--good' },
    ],
    [delivered, failed],
  );
  return (
    <Panel title="Deliveries a minute">
      <Plot label={total} times={times} series={series} />
      <p class="caption">{total}</p>
    </Panel>
  );
}

export default function Overview() {
  const counts = useSignal<Record<string, number>>({});
  const sockets = useSignal<{ open: number; more: boolean } | undefined>(undefined);
  const cost = useSignal<number | undefined>(undefined);
  const oldest = useSignal<Oldest>({ more: false });
  const letters = useSignal<{ count: number; more: boolean } | undefined>(undefined);
  const readCounts = async () => (counts.value = await get<Record<string, number>>('/api/v1/Media/Summary'));
  // a page of items costs far more than their counts: it is not read for each event
  const readOldest = async () => (oldest.value = await oldestWaiting(await readCounts()));
  useEffect(() => {
    if (!mayRead('media')) return;
    let timer = 0;
    const soon = () => {
      if (!timer) timer = window.setTimeout(() => ((timer = 0), void readCounts().catch(() => undefined)), 700);
    };
    void readCounts().catch(() => undefined);
    const stop = listen((items) => items.some((it) => it.type.startsWith('item.')) && soon());
    return () => {
      stop();
      clearTimeout(timer);
    };
  }, [generation.value]);
  usePolling(async () => mayRead('media') && readOldest(), 15_000, []);
  usePolling(async () => mayRead('inbox') && (sockets.value = await get('/api/v1/Everyone/Connections')), 10_000, []);
  usePolling(async () => (letters.value = await deadLetterCount()), 60_000, []);
  usePolling(async () => mayRead('keys') && (cost.value = (await get<{ listPrice: number }>('/api/v1/Usage')).listPrice), 60_000, []);
  const { foundAt, more } = oldest.value;
  const isWaiting = !!counts.value['Pending'] || !!counts.value['Processing'];
  const waits = foundAt && isWaiting ? `${duration((now.value - Date.parse(foundAt)) / 1_000)}${more ? '+' : ''}` : '–';
  return (
    <>
      <div class="tiles">
        {STATUSES.map((it) => (
          <Tile key={it} name={it} value={count(counts.value[it] ?? 0)} to={href('items', '', { status: it })} tone={it === 'Failed' && counts.value[it] ? 'bad' : ''} />
        ))}
        <Tile name="Oldest waiting" value={waits} />
        <Tile name="Open sockets" value={sockets.value ? `${count(sockets.value.open)}${sockets.value.more ? '+' : ''}` : '–'} />
        <Tile name="Dead letters" value={letters.value ? `${count(letters.value.count)}${letters.value.more ? '+' : ''}` : '–'} to={href('dead-letters')} tone={letters.value?.count ? 'bad' : ''} />
        <Tile name="Cost today, list price" value={cost.value === undefined ? '–' : money(cost.value)} to={href('usage')} />
      </div>
      <div class="columns">
        {mayRead('channels') && <Deliveries />}
        {mayRead('messages') && <Recent />}
      </div>
      {mayRead('channels') && <Health />}
    </>
  );
}

interface Channel {
  id: string;
  status: string;
  slow?: boolean;
  consecutiveFailures: number;
  notificationChannelConfigurationJSON: string;
}

/** The channels that are not well. */
function Health() {
  const channels = useSignal<Channel[] | undefined>(undefined);
  usePolling(async () => (channels.value = await channelApi<Channel[]>('GET', '/ChannelConfiguration/All')), 5_000, []);
  const unwell = channels.value?.filter((it) => !['active', 'inactive'].includes(it.status) || it.slow) ?? [];
  return (
    <Panel title="Channels that need attention" actions={<a href={href('channels')}>All</a>}>
      {unwell.length === 0 ? (
        <Empty>{channels.value ? 'None: each channel is well.' : '…'}</Empty>
      ) : (
        <ul class="lines">
          {unwell.map((it) => (
            <li key={it.id}>
              <Badge text={it.status === 'active' ? 'slow' : it.status} /> <a href={href('channels', it.id)}>{target(it.notificationChannelConfigurationJSON)}</a>{' '}
              {it.consecutiveFailures > 0 && <span class="dim">{count(it.consecutiveFailures)} failures in a row</span>}
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}

function target(json: string): string {
  const it = JSON.parse(json) as Record<string, string>;
  return it['WebHookUrl'] ?? it['HubUrl'] ?? `${it['Url'] ?? ''} ${it['QueueName'] ?? ''}`;
}

interface Oldest {
  foundAt?: string;
  /** Whether more wait than were read, so that another one may wait longer. */
  more: boolean;
}

/** When the item was found that waits longest, of those that the newest pages show. */
async function oldestWaiting(counts: Record<string, number>): Promise<Oldest> {
  const oldest: Oldest = { more: false };
  for (const status of ['Pending', 'Processing']) {
    if (!counts[status]) continue;
    let cursor: string | undefined;
    for (let page = 0; page < 3; page += 1) {
      const read = await get<{ items: Item[]; next?: string }>('/api/v1/Media/Items', { status, limit: 100, cursor });
      for (const item of read.items) if (!oldest.foundAt || item.foundAt < oldest.foundAt) oldest.foundAt = item.foundAt;
      cursor = read.next;
      if (!cursor) break;
    }
    oldest.more ||= cursor !== undefined;
  }
  return oldest;
}
