// Dead letters at the API.
import { get, request } from './api';
import { mayRead } from './session';

/** Kinds of dead letters, with the scope that covers them. */
export const KINDS: [string, string][] = [
  ['scan', 'media'], ['iconik', 'media'], ['faces', 'media'], ['objects', 'media'], ['translations', 'media'], ['render', 'images'],
  ['webhook', 'channels'], ['amqp', 'channels'], ['signalr', 'channels'], ['push', 'inbox'], ['nms', 'oma'],
];

export interface DeadLetter {
  id: string;
  reason: string;
  sentAt: string;
  /** The message; the beginning of its text, if it is `truncated`. */
  body: unknown;
  truncated: boolean;
}

export interface DeadLetters {
  items: DeadLetter[];
  more: boolean;
}

export const visibleKinds = () => KINDS.filter(([, scope]) => mayRead(scope)).map(([kind]) => kind);

export const deadLetters = (kind: string) => get<DeadLetters>(`/api/v1/DeadLetters/${kind}`);

interface Redriven {
  redriven: number;
  more: boolean;
}

/** Requests of one redrive at most: what fails again comes back, and would go round for ever. */
const MAX_ROUNDS = 50;

/** Sends letters back to their queue: some by their ids, or all there are; answers how many went. */
export async function redrive(kind: string, ids?: string[]): Promise<number> {
  let sum = 0;
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    const json = ids ? { ids } : { alreadyRedriven: sum };
    const { redriven, more } = await request<Redriven>('POST', `/api/v1/DeadLetters/${kind}/redrive`, { json });
    sum += redriven;
    if (ids || !more || redriven === 0) break;
  }
  return sum;
}

/** Deletes letters by their ids; answers how many. */
export async function discard(kind: string, ids: string[]): Promise<number> {
  return (await request<{ discarded: number }>('POST', `/api/v1/DeadLetters/${kind}/discard`, { json: { ids } })).discarded;
}

/** How many there are of all kinds. */
export async function deadLetterCount(): Promise<{ count: number; more: boolean }> {
  const all = await Promise.all(visibleKinds().map((kind) => deadLetters(kind)));
  return { count: all.reduce((sum, it) => sum + it.items.length, 0), more: all.some((it) => it.more) };
}
