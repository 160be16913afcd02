// Keys and settings: the application's keys, and its settings under the names of the original system's configuration.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { ApiError, get, request, requestVersion, type Versioned } from '../api';
import { mayChange, mayRead, session } from '../session';
import { Action, Check, Dialog, Empty, ErrorText, Field, fieldError, OnceShown, Panel, Time, toast } from '../ui';

interface Key {
  id: string;
  name: string;
  scopes: string[];
  createdAt: string;
  expiresAt?: string;
  apiKey?: string;
  apiSecret?: string;
}

const SCOPES: [string, string][] = [
  ['media', 'Buckets, items, settings'], ['channels', 'Channels and deliveries'], ['inbox', 'Inboxes and sockets of all users'], ['messages', 'Publish events, and read them'],
  ['images', 'Renditions'], ['oma', 'OMA channels and message stores'], ['billing', 'Subscriptions and payments'], ['keys', 'Keys and usage'],
  ['read', 'A viewer: read all of the above but OMA and payments, change nothing'],
];
/** The setting that is shown as JSON. */
const ISSUERS = 'oidc_issuers';
/** A name or a list of names. */
const PROCESSORS = 'processor';
/** A name, or names by processor, which are JSON. */
const BACKENDS = 'backend';
const HINTS: Record<string, string> = {
  [PROCESSORS]: 'FacialRecognition, ObjectDetection, AutoTranslation; separated by commas',
  [BACKENDS]: 'embedded or external, or by processor {"FacialRecognition": "external"}; by default where each runs by itself',
};
const issuersHint = () =>
  `With {"console": {"client_id": "…"}} people sign in at the issuer, from ${location.origin}/console#application=${session.value?.applicationId ?? '…'}; its redirect URI is ${location.origin}/console/callback`;

export default function Settings() {
  return (
    <>
      {mayRead('keys') && <Keys />}
      {mayRead('media') && <Names />}
    </>
  );
}

function Keys() {
  const keys = useSignal<Key[] | undefined>(undefined);
  const made = useSignal<Key | undefined>(undefined);
  const adding = useSignal(false);
  const error = useSignal<unknown>(undefined);
  const path = `/api/v1/Applications/${session.value?.applicationId}/Keys`;
  const read = () => get<Key[]>(path).then((it) => (keys.value = it), (why) => (error.value = why));
  useEffect(() => void read(), []);
  const change = mayChange('keys');
  const rotate = async (key: Key) => {
    if (!confirm(`Replace the key ${key.name}? The previous one stays good for another day.`)) return;
    made.value = await request<Key>('POST', `${path}/${key.id}/rotate`, { json: {} });
    await read();
  };
  const revoke = async (key: Key) => {
    if (!confirm(`Revoke the key ${key.name}? Whoever uses it is refused within a minute.`)) return;
    await request('DELETE', `${path}/${key.id}`);
    await read();
  };
  return (
    <Panel
      title="Keys"
      actions={
        change && (
          <button type="button" class="primary" onClick={() => (adding.value = true)}>
            Make a key
          </button>
        )
      }
    >
      <ErrorText error={error.value} />
      {!keys.value && <Empty>Loading…</Empty>}
      <ul class="lines">
        {keys.value?.map((it) => (
          <li key={it.id} class="key-line">
            <span class="grow wrap">
              <strong>{it.name}</strong> <code>{it.id}</code> {it.id === session.value?.keyId && <span class="badge plain">this session</span>}
              <span class="dim under wrap">
                {it.scopes.join(', ')}; made <Time at={it.createdAt} />
                {it.expiresAt && (
                  <>
                    , good until <Time at={it.expiresAt} />
                  </>
                )}
              </span>
            </span>
            {change && (
              <span class="actions">
                <Action run={() => rotate(it)} label={`Rotate: ${it.name}`}>
                  Rotate
                </Action>
                <Action run={() => revoke(it)} kind="danger" label={`Revoke: ${it.name}`}>
                  Revoke
                </Action>
              </span>
            )}
          </li>
        ))}
      </ul>
      {adding.value && (
        <Dialog title="Make a key" close={() => (adding.value = false)}>
          <NewKey path={path} done={(it) => ((adding.value = false), (made.value = it), void read())} />
        </Dialog>
      )}
      {made.value && (
        <Dialog title={`The key ${made.value.name}`} close={() => (made.value = undefined)}>
          <p>Keep both parts: they are not shown again.</p>
          <OnceShown name="x-api-key" secret={made.value.apiKey ?? ''} />
          <OnceShown name="x-api-secret" secret={made.value.apiSecret ?? ''} />
        </Dialog>
      )}
    </Panel>
  );
}

function NewKey({ path, done }: { path: string; done: (made: Key) => void }) {
  const name = useSignal('');
  const scopes = useSignal<string[]>(['read']);
  const error = useSignal<unknown>(undefined);
  const make = async () => {
    try {
      done(await request<Key>('POST', path, { json: { name: name.value, scopes: scopes.value } }));
    } catch (why) {
      error.value = why;
    }
  };
  return (
    <form onSubmit={(event) => event.preventDefault()}>
      <Field label="Name" value={name.value} set={(it) => (name.value = it)} required hint="What it is for" error={fieldError(error.value, 'name')} />
      <fieldset>
        <legend>Scopes</legend>
        {SCOPES.map(([scope, text]) => (
          <Check
            key={scope}
            label={`${scope}: ${text}`}
            value={scopes.value.includes(scope)}
            set={(on) => (scopes.value = on ? [...scopes.value, scope] : scopes.value.filter((it) => it !== scope))}
          />
        ))}
      </fieldset>
      <ErrorText error={error.value} />
      <Action run={make} kind="primary" disabled={!name.value.trim() || scopes.value.length === 0}>
        Make it
      </Action>
    </form>
  );
}

type Value = string | number | boolean | null | string[] | Record<string, unknown> | Record<string, unknown>[];

const SETTINGS = '/api/v1/Media/Settings';

function shown(name: string, value: Value): string {
  if (name === ISSUERS) return JSON.stringify(value, null, 2);
  if (value === null || value === undefined) return '';
  if (Array.isArray(value)) return value.map((it) => (typeof it === 'string' ? it : JSON.stringify(it))).join(', ');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** A value as it is stored, out of its text; lists have commas. */
function parsed(name: string, before: Value, text: string): Value | undefined {
  if (name === ISSUERS) return JSON.parse(text || '[]') as Value;
  if (name === PROCESSORS && text.trim() === '') return undefined;
  if (Array.isArray(before) || name === PROCESSORS) return text.split(',').map((it) => it.trim()).filter(Boolean);
  if (text === '') return undefined;
  if (name === BACKENDS && text.startsWith('{')) return JSON.parse(text) as Value;
  if (typeof before === 'number') return Number.isNaN(Number(text)) ? text : Number(text);
  if (typeof before === 'boolean') return text === 'true';
  return text;
}

/** The settings by their names. Secrets are masked: a mask that is stored again changes nothing. */
function Names() {
  const stored = useSignal<Versioned<Record<string, Value>> | undefined>(undefined);
  const texts = useSignal<Record<string, string>>({});
  const error = useSignal<unknown>(undefined);
  const note = useSignal('');
  const of = (it: Record<string, Value>) => Object.fromEntries(Object.entries(it).map(([name, value]) => [name, shown(name, value)]));
  const use = (it: Versioned<Record<string, Value>>, kept: Record<string, string> = {}) => {
    stored.value = it;
    texts.value = { ...of(it.value), ...kept };
  };
  useEffect(() => {
    requestVersion<Record<string, Value>>('GET', SETTINGS).then(use, (why) => (error.value = why));
  }, []);
  const change = mayChange('media');
  /** Shows what somebody else has stored, with what was changed here on top. */
  const reread = async (base: Record<string, Value>) => {
    const before = of(base);
    const kept = Object.fromEntries(Object.entries(texts.value).filter(([name, text]) => text !== before[name]));
    use(await requestVersion<Record<string, Value>>('GET', SETTINGS), kept);
    note.value = 'Somebody else has stored settings in the meantime. They are shown now, with your changes on top: look at them, and store again.';
  };
  const save = async () => {
    const base = stored.value;
    if (!base) return;
    error.value = undefined;
    note.value = '';
    try {
      const body = Object.fromEntries(Object.entries(texts.value).map(([name, text]) => [name, parsed(name, base.value[name] ?? null, text)]));
      use(await requestVersion<Record<string, Value>>('PUT', SETTINGS, { json: body, headers: { 'if-match': base.tag } }));
      toast('The settings are stored');
    } catch (why) {
      if (why instanceof ApiError && [409, 412].includes(why.status)) await reread(base.value).catch((other) => (error.value = other));
      else error.value = why;
    }
  };
  return (
    <Panel title="Settings">
      {!stored.value && !error.value && <Empty>Loading…</Empty>}
      {stored.value && (
        <form onSubmit={(event) => event.preventDefault()} class="names">
          {Object.entries(stored.value.value).map(([name, value]) => {
            const set = (text: string) => (texts.value = { ...texts.value, [name]: text });
            const hint = HINTS[name] ? { hint: HINTS[name] } : {};
            const more = name === ISSUERS ? { rows: 6, hint: issuersHint() } : typeof value === 'boolean' ? { list: ['true', 'false'] } : hint;
            return <Field key={name} label={name} value={texts.value[name] ?? ''} set={set} error={fieldError(error.value, name)} {...more} />;
          })}
          <p class={note.value && 'callout warn'} role="status">
            {note.value}
          </p>
          <ErrorText error={error.value} />
          {change && (
            <Action run={save} kind="primary">
              Store
            </Action>
          )}
        </form>
      )}
    </Panel>
  );
}
