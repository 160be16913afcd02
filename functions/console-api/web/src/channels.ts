// Channels and deliveries at the API.

export interface Channel {
  id: string;
  channel: number;
  notificationChannelConfigurationJSON: string;
  isActive: boolean;
  includeImageData: boolean;
  createdAt: string;
  updatedAt: string;
  status: string;
  consecutiveFailures: number;
  slow?: boolean;
  unanswered?: boolean;
  nextProbeAt?: string;
  disabledReason: string | null;
  signingSecret?: string;
  signingKeyId?: string;
  format: string;
  types: string[];
  filter: unknown;
  maxPerSecond: number | null;
  everyProgress: boolean;
  schedule: string;
  ordering: string;
}

export interface Attempt {
  attempt: number;
  again?: string;
  at: string;
  tookMs: number;
  status?: number;
  outcome: string;
  answer?: string;
}

export interface Delivery {
  id: string;
  configurationId: string;
  notification: string;
  state: string;
  nextAttemptAt?: string;
  attempts: Attempt[];
}

export interface Explanation {
  verdict: string;
  reasons: string[];
  nextAttemptAt?: string;
  delivery?: Delivery;
}

export const KIND_NAMES = ['Webhook', 'SignalR hub', 'RabbitMQ'];
/** The names of the kinds in the API's paths. */
export const KIND_PATHS = ['WebHook', 'SignalR', 'RabbitMQ'];

/** The channel's own settings, secrets masked. */
export function settings(channel: Channel): Record<string, string | number | null> {
  return JSON.parse(channel.notificationChannelConfigurationJSON) as Record<string, string | number | null>;
}

/** Where a channel leads. */
export function target(channel: Channel): string {
  const it = settings(channel);
  return String(it['WebHookUrl'] ?? it['HubUrl'] ?? `${it['Url'] ?? ''} → ${it['QueueName'] ?? ''}`);
}

/** The state to show: a healthy channel whose receiver is slow or does not answer is shown as slow. */
export const shownStatus = (channel: Channel) => (channel.status === 'active' && (channel.slow || channel.unanswered) ? 'slow' : channel.status);

/** When the delivery was last attempted. */
export const lastAt = (it: Delivery) => it.attempts.reduce((latest, attempt) => (attempt.at > latest ? attempt.at : latest), '');

/** What an explanation says, and how to mend it. */
export function sentence(it: Explanation, channel: Channel): { says: string; mend: string } {
  const because = it.reasons[0] ? `: ${it.reasons[0]}` : '';
  const last = it.delivery?.attempts.at(-1);
  const unanswered = it.reasons.some((reason) => reason.includes('has not answered'));
  const open = it.reasons.find((reason) => reason.startsWith('the breaker is open'));
  switch (it.verdict) {
    case 'delivered':
      return { says: `It was delivered${last ? `, at attempt ${last.attempt} in ${last.tookMs} ms` : ''}.`, mend: 'Nothing is to be done.' };
    case 'retrying':
      return {
        says: `It has not arrived yet${because}${open ? `, and ${open}` : ''}.`,
        mend: open || unanswered
          ? 'Make the receiver answer with a 2xx within three seconds, before it does the work; the next attempt comes by itself, or retry it once it is mended.'
          : 'It is tried again by itself; mend the receiver if the same answer comes again.',
      };
    case 'dead':
      return { says: `It was given up after its last attempt${because}.`, mend: 'Mend the receiver, then retry this delivery, or replay the time in which it failed.' };
    case 'disabled':
      return { says: `The channel is disabled${because}.`, mend: 'Mend the receiver and store the channel as active again; then replay what it has missed.' };
    case 'dropped':
      return { says: `It was dropped${because}.`, mend: 'Its publisher does not want it to be delivered any more: nothing is to be done.' };
    case 'unwanted':
      return { says: `The channel does not want it${because}.`, mend: channel.status === 'unconfirmed' ? 'The receiver has to answer the challenge; storing the channel again sends another one.' : 'Change its types or its filter if it should; then replay it.' };
    case 'waiting':
      return {
        says: `It waits${because}.`,
        mend: unanswered || open
          ? 'The receiver does not answer: make it answer with a 2xx within three seconds, before it does the work. What waits then goes out by itself.'
          : 'It is on its way. If the channel was changed since, and accepts it now, replay it.',
      };
    default:
      return { says: `${it.verdict}${because}.`, mend: '' };
  }
}
