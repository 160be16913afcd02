// Inbox: a user's inbox as its client sees it, on two devices side by side.
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { get, request } from '../api';
import { count } from '../format';
import { go, href } from '../router';
import { mayChange, mayRead } from '../session';
import { type Counts, LiveSocket, type ReadStateFrame, type SocketState, type StreamItem } from '../socket';
import { Action, Badge, Empty, ErrorText, Field, Panel, Time } from '../ui';
import { Virtual } from '../virtual';

const path = (user: string) => `/api/v1/Inbox/${encodeURIComponent(user)}`;
const contains = (ranges: [number, number][] | undefined, number: number) => ranges?.some(([from, to]) => from <= number && number <= to) ?? false;

export default function Inbox({ id }: { id: string }) {
  const user = useSignal(id);
  return (
    <>
      <form
        class="filters"
        onSubmit={(event) => {
          event.preventDefault();
          if (user.value.trim()) go('inbox', user.value.trim());
        }}
      >
        <Field label="User" value={user.value} set={(it) => (user.value = it)} hint="As the application names its users, such as 123" />
        <button class="primary">Open</button>
      </form>
      {id ? (
        <>
          {mayChange('inbox') && <Send user={id} />}
          <div class="columns">
            <Device user={id} name="Device 1" />
            <Device user={id} name="Device 2" />
          </div>
        </>
      ) : (
        <Empty>
          Name a user. The demo’s is <a href={href('inbox', '123')}>123</a>.
        </Empty>
      )}
    </>
  );
}

function Send({ user }: { user: string }) {
  const title = useSignal('');
  const send = async () => {
    await request('POST', `${path(user)}/Notifications`, { json: { title: title.value.trim() || 'Hello' } });
    title.value = '';
  };
  return (
    <form class="filters" onSubmit={(event) => event.preventDefault()}>
      <Field label="New notification" value={title.value} set={(it) => (title.value = it)} hint="Its title" />
      <Action run={send}>Send</Action>
    </form>
  );
}

/** One client of the inbox, with a socket of its own. */
function Device({ user, name }: { user: string; name: string }) {
  const items = useSignal<StreamItem[]>([]);
  const marks = useSignal<ReadStateFrame | undefined>(undefined);
  const counts = useSignal<Counts | undefined>(undefined);
  const state = useSignal<SocketState>('connecting');
  const next = useSignal<string | undefined>(undefined);
  const error = useSignal<unknown>(undefined);
  const socket = useRef<LiveSocket>(undefined);
  const change = mayChange('inbox');
  const keepCounts = (it: Counts) => {
    if (!counts.value || it.version >= counts.value.version) counts.value = it;
  };
  const read = async () => {
    const [page, now] = await Promise.all([
      get<{ items: StreamItem[]; next?: string }>(`${path(user)}/Notifications`, { limit: 50 }),
      get<Counts>(`${path(user)}/Counts`),
    ]);
    items.value = page.items;
    next.value = page.next;
    keepCounts(now);
    const newest = page.items[0];
    return newest ? { stream: `user:${user}`, cursor: newest.cursor, last: newest.sequence } : { stream: `user:${user}` };
  };
  useEffect(() => {
    // whoever only looks is no user of the inbox, and is not counted as one
    const looks = !change && mayRead('messages');
    const live = new LiveSocket({
      user,
      messages: looks,
      readOnly: looks,
      start: () => read().catch((why) => ((error.value = why), Promise.reject(why))),
      onState: (it) => ((state.value = it), it === 'live' && (error.value = undefined)),
      onReload: () => void read().catch(() => undefined),
      onItems: (stream, fresh) => {
        if (stream !== `user:${user}`) return;
        const known = new Set(items.value.map((it) => it.id));
        const shown = fresh.filter((it) => !it.deleted && !it.type.startsWith('notification.') && !known.has(it.id));
        items.value = shown.reverse().concat(items.value);
        if (fresh.some((it) => it.type.startsWith('notification.'))) void read().catch(() => undefined);
        get<Counts>(`${path(user)}/Counts`).then(keepCounts, () => undefined);
      },
      onReadState: (frame) => {
        keepCounts(frame.counts);
        if (!frame.read) return void read().catch(() => undefined);
        if (!marks.value || frame.revision > marks.value.revision) marks.value = frame;
      },
    });
    socket.current = live;
    return () => live.close();
  }, [user]);
  const isRead = (it: StreamItem) => contains(marks.value?.read, it.sequence) || (!marks.value && it.read);
  const shown = items.value.filter((it) => !contains(marks.value?.deleted, it.sequence) && !contains(marks.value?.archived, it.sequence));
  const mark = (kind: string, about: Record<string, unknown>) => socket.current?.send({ action: 'mark', change: kind, ...about });
  const more = async () => {
    if (!next.value) return;
    const page = await get<{ items: StreamItem[]; next?: string }>(`${path(user)}/Notifications`, { limit: 50, before: next.value });
    items.value = items.value.concat(page.items);
    next.value = page.next;
  };
  return (
    <Panel
      title={name}
      class="device"
      actions={
        <>
          <Badge text={state.value} />
          {change && (
            <button type="button" disabled={!shown[0] || state.value !== 'live'} onClick={() => shown[0] && mark('read', { upTo: shown[0].cursor })} aria-label={`Mark all read: ${name}`}>
              Mark all read
            </button>
          )}
        </>
      }
    >
      <ErrorText error={error.value} />
      <p class="counts" role="status" aria-label={`Counts on ${name}`}>
        <strong class="unread">{count(counts.value?.unread ?? 0)}</strong> unread, <span class="total">{count(counts.value?.total ?? 0)}</span> in all, version {counts.value?.version ?? 0}
      </p>
      {shown.length === 0 && <Empty>The inbox is empty.</Empty>}
      <Virtual
        rows={shown}
        height={64}
        label={`Inbox on ${name}`}
        keyOf={(it) => it.id}
        onEnd={() => void more().catch(() => undefined)}
        render={(it) => {
          const read = isRead(it);
          return (
            <div class={`note-row ${read ? '' : 'unread'}`}>
              <span class="grow cut">
                <span class="strong cut">{it.title ?? it.type}</span>
                <span class="dim under cut">
                  <Time at={it.createdAt} /> {it.description}
                </span>
              </span>
              <span>
                {change && (
                  <button type="button" disabled={state.value !== 'live'} onClick={() => mark(read ? 'unread' : 'read', { ids: [it.id] })} aria-label={`${read ? 'Unread' : 'Read'}: ${it.title ?? it.type}, on ${name}`}>
                    {read ? 'Unread' : 'Read'}
                  </button>
                )}
              </span>
            </div>
          );
        }}
      />
    </Panel>
  );
}
