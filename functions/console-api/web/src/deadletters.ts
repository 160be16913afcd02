// Dead letters at the API.
import { get } from './api';
import { mayRead } from './session';

/** Kinds of dead letters, with the scope that covers them. */
export const KINDS: [string, string][] = [
  ['scan', 'media'], ['iconik', 'media'], ['faces', 'media'], ['render', 'images'],
  ['webhook', 'channels'], ['amqp', 'channels'], ['signalr', 'channels'], ['push', 'inbox'], ['nms', 'oma'],
];

export interface DeadLetter {
  id: string;
  reason: string;
  sentAt: string;
  body: unknown;
}

export interface DeadLetters {
  items: DeadLetter[];
  more: boolean;
}

export const visibleKinds = () => KINDS.filter(([, scope]) => mayRead(scope)).map(([kind]) => kind);

export const deadLetters = (kind: string) => get<DeadLetters>(`/api/v1/DeadLetters/${kind}`);

/** How many there are of all kinds. */
export async function deadLetterCount(): Promise<{ count: number; more: boolean }> {
  const all = await Promise.all(visibleKinds().map((kind) => deadLetters(kind)));
  return { count: all.reduce((sum, it) => sum + it.items.length, 0), more: all.some((it) => it.more) };
}
