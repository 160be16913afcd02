// Items: what the API says of them, and one list of them that stays up to date.
import { signal } from '@preact/signals';
import { get } from './api';
import type { StreamItem } from './socket';

export const STATUSES = ['Pending', 'Processing', 'Completed', 'Failed', 'Skipped'] as const;
export type Status = (typeof STATUSES)[number];

export interface Box {
  x: number;
  y: number;
  w: number;
  h: number;
}

export interface Track {
  id: string;
  type: string;
  label: string;
  person: string | null;
  ranges: { start_ms: number; end_ms: number }[];
  samples: { t_ms: number; box: Box | null; confidence: number }[];
}

export interface Result {
  faces?: number;
  objects?: number;
  cues?: number;
  quality: string;
  media?: { width: number; height: number; duration_ms: number | null; container: string };
  tracks?: Track[];
  warnings?: { code: string; message: string }[];
}

export interface Item {
  id: string;
  system: string;
  bucketId?: string;
  bucket: string;
  key: string;
  title?: string;
  version: string;
  size: number;
  mediaType: string;
  processor: string;
  processors?: { processor: string; state: string }[];
  priority: number;
  status: Status;
  attempts: number;
  foundAt: string;
  updatedAt: string;
  error?: { code: string; message: string; hint?: string };
  results?: Record<string, Result>;
  history?: { at: string; status: Status; note?: string }[];
}

export interface Filter {
  status: string;
  system: string;
  bucket: string;
  since: string;
  text: string;
}

/** The status that an event of an item brings. */
const STATUS_OF: Record<string, Status> = {
  'item.found': 'Pending',
  'item.processing': 'Processing',
  'item.completed': 'Completed',
  'item.failed': 'Failed',
  'item.skipped': 'Skipped',
};

interface ItemEvent {
  item?: Partial<Item> & { id: string };
  results?: Record<string, Result>;
  error?: Item['error'];
}

/** An item as an event tells of it, on top of what is known of it. */
export function applied(event: StreamItem, known: Item | undefined): Item | undefined {
  const status = STATUS_OF[event.type];
  const data = event.data as ItemEvent | undefined;
  if (!status || !data?.item) return undefined;
  const at = event.timestamp ?? event.createdAt;
  if (known && (known.updatedAt > at || (event.type === 'item.found' && known.status !== 'Pending'))) return known;
  const base: Item = known ?? {
    id: '', system: '', bucket: '', key: '', version: '', size: 0, mediaType: '', processor: '', priority: 5, status,
    attempts: 0, foundAt: at, updatedAt: at,
  };
  const next: Item = { ...base, ...data.item, status, updatedAt: at };
  delete next.error;
  delete next.results;
  if (data.error) next.error = data.error;
  if (data.results) next.results = data.results;
  return next;
}

export function matches(item: Item, filter: Filter): boolean {
  return (
    (!filter.status || item.status === filter.status) &&
    (!filter.system || item.system === filter.system) &&
    (!filter.bucket || item.bucketId === filter.bucket || item.bucket === filter.bucket) &&
    (!filter.since || item.foundAt >= filter.since) &&
    (!filter.text || `${item.key} ${item.title ?? ''}`.toLowerCase().includes(filter.text.toLowerCase()))
  );
}

interface Page {
  items: Item[];
  next?: string;
}

/** Requests for one call for more: pages may be short, or empty, and still go on. */
const MAX_PAGES = 5;

/** A list of items, newest first, with what comes live on top. */
export class ItemList {
  private readonly byId = new Map<string, Item>();
  /** The ids of the items, newest first. */
  readonly order = signal<string[]>([]);
  private next: string | undefined = '';
  readonly loading = signal(false);
  readonly error = signal<unknown>(undefined);
  readonly complete = signal(false);
  /** Counts up when an item has changed in its place. */
  readonly changes = signal(0);

  constructor(private readonly filter: Filter) {}

  item(id: string): Item | undefined {
    return this.byId.get(id);
  }

  /** Reads the next page. */
  async more(): Promise<void> {
    if (this.loading.value || this.next === undefined) return;
    this.loading.value = true;
    this.error.value = undefined;
    try {
      const { status, system, bucket, since } = this.filter;
      const isId = bucket.startsWith('bkt_');
      let added = 0;
      for (let page = 0; page < MAX_PAGES && added === 0 && this.next !== undefined; page += 1) {
        const found: Page = await get('/api/v1/Media/Items', {
          status, system, since, bucket: isId ? bucket : undefined, limit: 100, cursor: this.next || undefined,
        });
        added = this.append(found.items);
        this.next = found.next;
      }
      this.complete.value = this.next === undefined;
    } catch (why) {
      this.error.value = why;
    } finally {
      this.loading.value = false;
    }
  }

  /** Adds items that were found before those that are there. */
  append(items: Item[]): number {
    const fresh = items.filter((it) => !this.byId.has(it.id) && matches(it, this.filter));
    for (const item of fresh) this.byId.set(item.id, item);
    this.order.value = this.order.value.concat(fresh.map((it) => it.id));
    return fresh.length;
  }

  /** Takes events: changes what is there, and puts what is new on top. */
  take(events: StreamItem[]): void {
    const top: string[] = [];
    const gone = new Set<string>();
    let changed = false;
    for (const event of events) {
      const id = (event.data as ItemEvent | undefined)?.item?.id;
      if (!id) continue;
      const known = this.byId.get(id);
      const next = applied(event, known);
      if (!next || next === known) continue;
      if (matches(next, this.filter)) {
        if (!known) top.unshift(id);
        this.byId.set(id, next);
        gone.delete(id);
        changed = true;
      } else if (known) {
        gone.add(id);
      }
    }
    if (top.length > 0 || gone.size > 0) {
      const all = top.length > 0 ? top.concat(this.order.value) : this.order.value;
      this.order.value = gone.size > 0 ? all.filter((id) => !gone.has(id)) : all;
      for (const id of gone) this.byId.delete(id);
    }
    if (changed) this.changes.value += 1;
  }
}
