// The form of a channel: a webhook, a RabbitMQ queue, or a SignalR hub.
import { useSignal } from '@preact/signals';
import { channelApi } from './api';
import { type Channel, KIND_NAMES, KIND_PATHS, settings } from './channels';
import { Check, ErrorText, Field, fieldError } from './ui';

type Fields = Record<string, string>;

function initial(it: Channel | undefined): Fields {
  const own = it ? settings(it) : {};
  const text = (name: string, other = '') => (own[name] === null || own[name] === undefined ? other : String(own[name]));
  return {
    webHookUrl: text('WebHookUrl'),
    retryCount: text('RetryCount', '5'),
    exponentialBackoffFactor: text('ExponentialBackoffFactor', '2.0'),
    url: text('Url'),
    username: text('Username'),
    password: text('Password'),
    queueName: text('QueueName'),
    hubUrl: text('HubUrl'),
    hubMethod: text('HubMethod', 'ReceiveNotification'),
    accessToken: text('AccessToken'),
    format: it?.format ?? 'native',
    types: it?.types.join(', ') ?? '',
    filter: it?.filter ? JSON.stringify(it.filter) : '',
    maxPerSecond: it?.maxPerSecond ? String(it.maxPerSecond) : '0',
    schedule: it?.schedule ?? 'exponential',
    ordering: it?.ordering ?? 'none',
  };
}

/** What is wrong, by field. */
function wrong(kind: number, it: Fields): Fields {
  const found: Fields = {};
  const [name, schemes] = kind === 0 ? ['webHookUrl', ['http:', 'https:']] : kind === 1 ? ['hubUrl', ['http:', 'https:']] : ['url', ['amqp:', 'amqps:']];
  const url = it[name as string];
  if (url) {
    try {
      if (!(schemes as string[]).includes(new URL(url).protocol)) found[name as string] = `The address begins with ${(schemes as string[]).join('// or ')}//`;
    } catch {
      found[name as string] = 'Not an address';
    }
  }
  if (it['filter']) {
    try {
      JSON.parse(it['filter']);
    } catch (why) {
      found['filter'] = `Not JSON: ${why instanceof Error ? why.message : ''}`;
    }
  }
  const type = (it['types'] ?? '').split(',').map((text) => text.trim()).find((text) => text && text !== '*' && !/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(\.\*)?$/.test(text));
  if (type) found['types'] = `${type} is no type such as item.completed or item.*`;
  if (!/^\d+$/.test(it['maxPerSecond'] ?? '') || Number(it['maxPerSecond']) > 1_000) found['maxPerSecond'] = '0 to 1000; 0 means without a limit';
  if (kind === 0 && (!/^\d+$/.test(it['retryCount'] ?? '') || Number(it['retryCount']) > 20)) found['retryCount'] = '0 to 20';
  return found;
}

const OWN: string[][] = [['webHookUrl', 'retryCount', 'exponentialBackoffFactor'], ['hubUrl', 'hubMethod', 'accessToken'], ['url', 'username', 'password', 'queueName']];

export function ChannelForm({ channel, done }: { channel: Channel | undefined; done: (stored: Channel) => void }) {
  const kind = useSignal(channel?.channel ?? 0);
  const fields = useSignal(initial(channel));
  const [active, images] = [useSignal(channel?.isActive ?? true), useSignal(channel?.includeImageData ?? false)];
  const error = useSignal<unknown>(undefined);
  const busy = useSignal(false);
  const bad = wrong(kind.value, fields.value);
  const field = (name: string, label: string, more: Partial<Parameters<typeof Field>[0]> = {}) => (
    <Field
      label={label}
      value={fields.value[name] ?? ''}
      set={(text) => ((fields.value = { ...fields.value, [name]: text }), (error.value = undefined))}
      error={bad[name] ?? fieldError(error.value, name)}
      {...more}
    />
  );
  const save = async (event: Event) => {
    event.preventDefault();
    busy.value = true;
    error.value = undefined;
    const form: Record<string, string> = { isActive: String(active.value), includeImageData: String(images.value) };
    const standard = kind.value === 0 && fields.value['schedule'] === 'standard';
    for (const name of [...OWN[kind.value]!, 'format', 'types', 'filter', 'maxPerSecond', 'ordering', 'schedule']) {
      if (standard && ['retryCount', 'exponentialBackoffFactor'].includes(name)) continue;
      const text = fields.value[name] ?? '';
      if (name === 'types') form[name] = text.trim() || '*';
      else if (name === 'filter') form[name] = text.trim() || '{}';
      else if (text !== '') form[name] = text;
    }
    try {
      const path = `/ChannelConfiguration/${KIND_PATHS[kind.value]}`;
      done(await (channel ? channelApi<Channel>('PUT', path, { form, query: { configurationId: channel.id } }) : channelApi<Channel>('POST', path, { form })));
    } catch (why) {
      error.value = why;
    } finally {
      busy.value = false;
    }
  };
  return (
    <form onSubmit={save}>
      {!channel && <Field label="Kind" value={String(kind.value)} set={(it) => (kind.value = Number(it))} list={KIND_NAMES.map((it, index) => [String(index), it] as const)} />}
      {kind.value === 0 && field('webHookUrl', 'Address', { type: 'url', required: true, hint: 'https://…; it gets signed POST requests' })}
      {kind.value === 1 && (
        <>
          {field('hubUrl', 'Hub', { type: 'url', required: true })}
          {field('hubMethod', 'Method')}
          {field('accessToken', 'Access token', { type: 'password', hint: channel ? 'Leave it masked to keep the stored one' : '' })}
        </>
      )}
      {kind.value === 2 && (
        <>
          {field('url', 'Broker', { required: true, hint: 'amqps://host/vhost' })}
          {field('username', 'User', { required: true })}
          {field('password', 'Password', { type: 'password', required: !channel, hint: channel ? 'Leave it masked to keep the stored one' : '' })}
          {field('queueName', 'Queue', { required: true })}
        </>
      )}
      {field('format', 'Format', { list: [['native', 'Native: every type'], ['adcreative', 'AdCreative'], ['cloudevents', 'CloudEvents']] })}
      {field('types', 'Types', { hint: 'item.*, scan.failed; empty for all' })}
      {field('filter', 'Filter', { rows: 2, hint: 'An EventBridge pattern as JSON; empty for none' })}
      {field('maxPerSecond', 'At most a second', { type: 'number', hint: '0 means without a limit' })}
      {kind.value === 0 && (
        <>
          {field('schedule', 'Retries', { list: [['exponential', 'So many, at growing intervals'], ['standard', 'Ten attempts over three days']] })}
          {fields.value['schedule'] === 'exponential' && field('retryCount', 'Retries after the first attempt', { type: 'number' })}
        </>
      )}
      {field('ordering', 'Order', { list: [['none', 'As they come'], ['key', 'In order within each ordering key']] })}
      <Check label="Active" value={active.value} set={(on) => (active.value = on)} />
      <Check label="With the pictures' data" value={images.value} set={(on) => (images.value = on)} />
      <ErrorText error={error.value} />
      <button class="primary" disabled={busy.value || Object.keys(bad).length > 0}>
        {channel ? 'Store' : 'Add'}
      </button>
    </form>
  );
}
