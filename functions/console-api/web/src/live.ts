// The application's stream, live: every page that shows something of it listens here.
import { batch, signal } from '@preact/signals';
import { get } from './api';
import { session } from './session';
import { LiveSocket, type SocketState, type StreamItem } from './socket';

export type Listener = (items: StreamItem[]) => void;

/** The newest events that the overview shows. */
const KEPT = 100;

export const liveState = signal<SocketState>('connecting');
/** The newest events of the application, newest first. */
export const recent = signal<StreamItem[]>([]);
/** Counts up when everything has to be read again. */
export const generation = signal(0);
/** Events that came since the page was opened. */
export const received = signal(0);

const listeners = new Set<Listener>();
let socket: LiveSocket | undefined;

/** Calls a listener with what comes, at most once a frame; answers how to stop. */
export function listen(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

interface MessagePage {
  items: StreamItem[];
  cursor?: string;
}

async function start(): Promise<{ stream: string; cursor?: string; last?: number }> {
  const page = await get<MessagePage>('/api/v1/Notification/Messages', { limit: 50 });
  recent.value = page.items;
  generation.value += 1;
  const newest = page.items[0];
  if (newest) return { stream: 'app', cursor: newest.cursor, last: newest.sequence };
  return page.cursor ? { stream: 'app', cursor: page.cursor } : { stream: 'app' };
}

/** Takes events: those of the socket, and those of a measurement. */
export function take(items: StreamItem[]): void {
  batch(() => {
    received.value += items.length;
    recent.value = [...items.slice(-KEPT)].reverse().concat(recent.value).slice(0, KEPT);
    for (const listener of listeners) listener(items);
  });
}

/** Connects for whoever is signed in, and again for the next one. */
export function follow(): void {
  socket?.close();
  socket = undefined;
  recent.value = [];
  if (!session.value) return;
  socket = new LiveSocket({
    user: 'console',
    messages: true,
    readOnly: true,
    start,
    onItems: (stream, items) => stream === 'app' && take(items),
    onReload: (stream) => stream === 'app' && void start(),
    onState: (state) => (liveState.value = state),
  });
}
