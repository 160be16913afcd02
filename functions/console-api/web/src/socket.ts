// A socket of our own protocol (`/docs/asyncapi.json`): it signs in with a ticket, resumes from its cursors, puts items in the order
// of their numbers, and connects again whenever it has to. What arrives is handed over once per animation frame.
import { request } from './api';
import { session } from './session';

export interface StreamItem {
  id: string;
  sequence: number;
  cursor: string;
  type: string;
  createdAt: string;
  timestamp?: string;
  data?: unknown;
  title?: string;
  description?: string;
  identifier?: string;
  seen: boolean;
  read: boolean;
  archived: boolean;
  deleted?: boolean;
  href?: string;
}

export interface Counts {
  version: number;
  total: number;
  unread: number;
  unseen: number;
}

export interface ReadStateFrame {
  revision: number;
  read?: [number, number][];
  seen?: [number, number][];
  archived?: [number, number][];
  deleted?: [number, number][];
  counts: Counts;
}

export type SocketState = 'connecting' | 'live' | 'offline';

/** Where a stream was read to. */
export interface StreamStart {
  stream: string;
  cursor?: string;
  last?: number;
}

export interface SocketOptions {
  user: string;
  /** Reads what the page shows at first; the socket goes on from there. */
  start?: () => Promise<StreamStart>;
  /** Also the application's own stream. */
  messages?: boolean;
  /** Only receives. With the application's stream it counts as nobody's inbox in the plan. */
  readOnly?: boolean;
  onItems?: (stream: string, items: StreamItem[]) => void;
  onReadState?: (frame: ReadStateFrame) => void;
  /** Some of what followed the cursor is no longer stored: read everything again. */
  onReload?: (stream: string) => void;
  onState?: (state: SocketState) => void;
}

/** What is known of a stream: its last number in order, and what came early. */
interface StreamPosition {
  last?: number;
  cursor?: string;
  early: Map<number, StreamItem>;
}

/** Items handed over in one frame: the rest waits for the next one, so that no task is long. */
const MAX_PER_FRAME = 400;
/** An item that is missing for so long is asked for. */
const MISSING_MS = 2_000;
/** A ping keeps the connection open (API Gateway closes idle ones after ten minutes) and shows what was missed. */
const PING_MS = 240_000;
const PONG_MS = 8_000;
const MAX_BACKOFF_MS = 30_000;

export class LiveSocket {
  private socket: WebSocket | undefined;
  private closed = false;
  private attempt = 0;
  private streams = new Map<string, StreamPosition>();
  private queue: [string, StreamItem[]][] = [];
  private scheduled = false;
  private timers: { retry?: number; ping?: number; pong?: number; missing?: number } = {};
  private readonly wake = () => this.check();

  constructor(private readonly options: SocketOptions) {
    addEventListener('online', this.wake);
    document.addEventListener('visibilitychange', this.wake);
    void this.connect();
  }

  close(): void {
    this.closed = true;
    removeEventListener('online', this.wake);
    document.removeEventListener('visibilitychange', this.wake);
    this.stopTimers();
    this.socket?.close();
  }

  /** Sends an action; `false` if the socket is not open. */
  send(action: Record<string, unknown>): boolean {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(action));
    return true;
  }

  private stopTimers(): void {
    for (const timer of Object.values(this.timers)) clearTimeout(timer);
    this.timers = {};
  }

  private async connect(): Promise<void> {
    if (this.closed) return;
    this.options.onState?.('connecting');
    try {
      if (this.streams.size === 0 && this.options.start) {
        const { stream, cursor, last } = await this.options.start();
        const at = this.position(stream);
        if (cursor !== undefined) at.cursor = cursor;
        if (last !== undefined) at.last = last;
      }
      const path = `/api/v1/Inbox/${encodeURIComponent(this.options.user)}/Tickets`;
      const { ticket } = await request<{ ticket: string }>('POST', path, { json: { messages: this.options.messages ?? false, readOnly: this.options.readOnly ?? false } });
      if (this.closed) return;
      const local = `${location.origin.replace(/^http/, 'ws')}/api/v1/Inbox/Socket`;
      // the ticket is in no URL: a subprotocol carries it, and the other one is what the server answers with
      const bearer = `bearer.${btoa(ticket).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '')}`;
      const socket = new WebSocket(session.value?.socketUrl ?? local, ['notifications', bearer]);
      this.socket = socket;
      socket.onopen = () => this.resume();
      socket.onmessage = (message) => this.receive(JSON.parse(String(message.data)));
      socket.onclose = () => this.socket === socket && this.retry();
    } catch {
      this.retry();
    }
  }

  private retry(): void {
    if (this.closed) return;
    this.stopTimers();
    this.socket = undefined;
    this.options.onState?.('offline');
    const wait = Math.min(MAX_BACKOFF_MS, 500 * 2 ** this.attempt) * (0.5 + Math.random() / 2);
    this.attempt += 1;
    this.timers.retry = window.setTimeout(() => void this.connect(), wait);
  }

  /** After sleep, or when the page is looked at again: a socket that does not answer is replaced. */
  private check(): void {
    if (this.closed || document.visibilityState === 'hidden') return;
    if (this.socket?.readyState === WebSocket.OPEN) {
      this.ping();
    } else if (this.timers.retry !== undefined) {
      clearTimeout(this.timers.retry);
      this.attempt = 0;
      void this.connect();
    }
  }

  private ping(): void {
    if (!this.send({ action: 'ping' })) return;
    clearTimeout(this.timers.pong);
    this.timers.pong = window.setTimeout(() => this.replace(), PONG_MS);
    clearTimeout(this.timers.ping);
    this.timers.ping = window.setTimeout(() => this.ping(), PING_MS);
  }

  private replace(): void {
    const socket = this.socket;
    this.socket = undefined;
    socket?.close();
    this.attempt = 0;
    this.retry();
  }

  private resume(): void {
    const after = [...this.streams.values()].flatMap((it) => it.cursor ?? []);
    this.send({ action: 'resume', after });
  }

  private receive(frame: Record<string, unknown>): void {
    clearTimeout(this.timers.pong); // whatever comes shows that the connection is there
    switch (frame['type']) {
      case 'notifications':
        this.order(String(frame['stream']), frame['items'] as StreamItem[]);
        break;
      case 'resumed': {
        if (frame['more']) return this.resume();
        this.attempt = 0;
        this.keepCursors(frame['cursors'] as string[]);
        this.options.onState?.('live');
        this.ping();
        break;
      }
      case 'gap': {
        const stream = String(frame['stream']);
        this.streams.delete(stream);
        this.options.onReload?.(stream);
        break;
      }
      case 'marks':
      case 'marksChanged':
        this.options.onReadState?.(frame as unknown as ReadStateFrame);
        break;
      case 'pong': {
        const known = new Set([...this.streams.values()].map((it) => it.cursor));
        if ((frame['cursors'] as string[]).some((it) => !known.has(it))) this.resume();
        break;
      }
      case 'reconnect':
        this.timers.retry ??= window.setTimeout(() => this.replace(), Number(frame['afterMs']));
        break;
    }
  }

  private position(stream: string): StreamPosition {
    let found = this.streams.get(stream);
    if (!found) this.streams.set(stream, (found = { early: new Map() }));
    return found;
  }

  /** Everything up to these cursors was sent. They come in the order of the connection's streams. */
  private keepCursors(cursors: string[]): void {
    const streams = [`user:${this.options.user}`, 'everyone', ...(this.options.messages ? ['app'] : [])];
    if (cursors.length !== streams.length) return;
    streams.forEach((stream, index) => (this.position(stream).cursor = cursors[index]!));
  }

  private order(stream: string, items: StreamItem[]): void {
    const at = this.position(stream);
    const ready: StreamItem[] = [];
    for (const item of items) {
      if (at.last !== undefined && item.sequence <= at.last) continue; // a push may come twice
      at.early.set(item.sequence, item);
    }
    if (at.last === undefined && at.early.size > 0) at.last = Math.min(...at.early.keys()) - 1;
    for (let next = at.early.get((at.last ?? 0) + 1); next; next = at.early.get(next.sequence + 1)) {
      at.early.delete(next.sequence);
      at.last = next.sequence;
      at.cursor = next.cursor;
      ready.push(next);
    }
    if (at.early.size > 0 && this.timers.missing === undefined) {
      this.timers.missing = window.setTimeout(() => {
        delete this.timers.missing;
        if ([...this.streams.values()].some((it) => it.early.size > 0)) this.resume();
      }, MISSING_MS);
    }
    if (ready.length > 0) {
      this.queue.push([stream, ready]);
      this.schedule();
    }
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    // a hidden page has no frames
    if (document.visibilityState === 'hidden') setTimeout(() => this.flush(), 250);
    else requestAnimationFrame(() => this.flush());
  }

  private flush(): void {
    this.scheduled = false;
    let room = MAX_PER_FRAME;
    while (room > 0) {
      const next = this.queue[0];
      if (!next) return;
      const [stream, items] = next;
      const part = items.splice(0, room);
      room -= part.length;
      if (items.length === 0) this.queue.shift();
      this.options.onItems?.(stream, part);
    }
    if (this.queue.length > 0) this.schedule();
  }
}
