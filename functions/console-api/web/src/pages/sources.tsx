// Buckets and Iconik: what is scanned, how the last scan ended, a scan now, and the connection's health.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { get, request } from '../api';
import { BucketForm } from '../bucketform';
import type { Bucket } from '../bucketrules';
import { count } from '../format';
import { generation, listen } from '../live';
import { href } from '../router';
import { mayChange } from '../session';
import { Action, Badge, Dialog, Empty, ErrorText, Panel, Time, toast, usePolling } from '../ui';

interface Iconik {
  isSetUp: boolean;
  blocked?: string;
  blockedSince?: string;
  unreachable?: string;
  unreachableSince?: string;
  queueError?: string;
  webhooks: { name: string; status: string; error?: string }[];
  wellAt?: string;
  reconciledTo?: string;
  nextCheck?: string;
}

const SYSTEM_NAMES: Record<string, string> = { datacore: 'DataCore Swarm', objectmatrix: 'Object Matrix' };

export default function Sources() {
  const buckets = useSignal<Bucket[] | undefined>(undefined);
  const error = useSignal<unknown>(undefined);
  const editing = useSignal<Bucket | 'new' | undefined>(undefined);
  const read = async () => {
    try {
      buckets.value = (await get<{ items: Bucket[] }>('/api/v1/Media/Buckets')).items;
      error.value = undefined;
    } catch (why) {
      error.value = why;
    }
  };
  useEffect(() => listen((events) => events.some((it) => it.type.startsWith('scan.')) && void read()), [generation.value]);
  const running = buckets.value?.some((it) => it.scanning || it.lastScan?.running) ?? false;
  usePolling(read, running ? 1_000 : 10_000, [running, generation.value]);
  const change = mayChange('media');
  return (
    <>
      <Panel
        title="Buckets"
        actions={
          change && (
            <button type="button" class="primary" onClick={() => (editing.value = 'new')}>
              Add a bucket
            </button>
          )
        }
      >
        <ErrorText error={error.value} />
        {buckets.value?.length === 0 && <Empty>No bucket is scanned.</Empty>}
        <ul class="cards">
          {buckets.value?.map((it) => (
            <li key={it.id} class="card">
              <BucketCard bucket={it} change={change} edit={() => (editing.value = it)} read={read} />
            </li>
          ))}
        </ul>
      </Panel>
      <IconikPanel change={change} />
      {editing.value && (
        <Dialog title={editing.value === 'new' ? 'Add a bucket' : `Edit ${editing.value.bucket}`} close={() => (editing.value = undefined)}>
          <BucketForm bucket={editing.value === 'new' ? undefined : editing.value} done={() => ((editing.value = undefined), void read())} />
        </Dialog>
      )}
    </>
  );
}

function BucketCard({ bucket, change, edit, read }: { bucket: Bucket; change: boolean; edit: () => void; read: () => Promise<void> }) {
  const path = `/api/v1/Media/Buckets/${bucket.id}`;
  const scan = async (dryRun: boolean) => {
    await request('POST', `${path}/scan`, { query: dryRun ? { dryRun } : {} });
    toast(dryRun ? `${bucket.bucket} is counted` : `${bucket.bucket} is scanned`);
    await read();
  };
  const last = bucket.lastScan;
  return (
    <>
      <header>
        <h3>
          <a href={href('items', '', { bucket: bucket.id })}>{bucket.bucket}</a>
        </h3>
        <Badge text={bucket.active ? (bucket.lastError ? 'failing' : 'active') : 'inactive'} />
      </header>
      <p class="dim wrap">
        {SYSTEM_NAMES[bucket.system] ?? bucket.system} at {bucket.endpoint}, {bucket.schedule}
        {bucket.poll === 'search' && ', by search'}
      </p>
      {bucket.lastError && (
        <p class="callout bad">
          {bucket.lastError} <Time at={bucket.lastErrorAt} />
          {bucket.nextScanAfter && (
            <>
              {'; no scheduled scan before '}
              <Time at={bucket.nextScanAfter} />
            </>
          )}
        </p>
      )}
      <p class="scan" role="status">
        {last ? (
          <>
            {last.running ? 'Scanning: ' : last.dry ? 'Counted: ' : 'Last requested scan: '}
            {count(last.listed)} listed, {count(last.found)} {last.dry ? 'would be processed' : 'new'}
            {last.unreadable > 0 && `, ${count(last.unreadable)} unreadable`}
            {last.error && `, failed: ${last.error}`}
          </>
        ) : (
          'No scan was requested yet; scheduled scans tell of what they find.'
        )}
        {(last?.running || bucket.scanning) && <progress aria-label="The scan is running" />}
      </p>
      {change && (
        <div class="actions">
          <Action run={() => scan(false)} label={`Scan now: ${bucket.bucket}`}>
            Scan now
          </Action>
          <Action run={() => scan(true)} label={`Dry run: ${bucket.bucket}`}>
            Dry run
          </Action>
          <button type="button" onClick={edit} aria-label={`Edit: ${bucket.bucket}`}>
            Edit
          </button>
          <Action
            kind="danger"
            label={`Remove: ${bucket.bucket}`}
            run={async () => {
              if (!confirm(`Remove ${bucket.bucket}? Its items stay, and keep their results.`)) return;
              await request('DELETE', path);
              await read();
            }}
          >
            Remove
          </Action>
        </div>
      )}
    </>
  );
}

function IconikPanel({ change }: { change: boolean }) {
  const iconik = useSignal<Iconik | undefined>(undefined);
  const since = useSignal('');
  usePolling(async () => (iconik.value = await get('/api/v1/Media/Iconik')), 5_000, []);
  const it = iconik.value;
  const backfill = async () => {
    const made = await request<{ from: string }>('POST', '/api/v1/Media/Iconik/backfill', { json: { since: new Date(since.value).toISOString() } });
    toast(`Assets since ${made.from} are ingested`);
  };
  if (!it) return null;
  const trouble = it.blocked ?? it.unreachable ?? it.queueError;
  return (
    <Panel
      title="Iconik"
      actions={
        change &&
        it.isSetUp && (
          <Action run={() => request('POST', '/api/v1/Media/Iconik/check')} done="The connection is checked">
            Check now
          </Action>
        )
      }
    >
      {!it.isSetUp ? (
        <Empty>
          Iconik is not set up: see <a href={href('settings')}>Keys and settings</a>.
        </Empty>
      ) : (
        <>
          {trouble && (
            <p class="callout bad">
              {trouble} <Time at={it.blockedSince ?? it.unreachableSince} />
            </p>
          )}
          <dl class="facts">
            <dt>Webhooks</dt>
            <dd>
              {it.webhooks.map((hook) => (
                <span key={hook.name}>
                  <Badge text={hook.status} /> {hook.name} {hook.error && <span class="dim">{hook.error}</span>}
                </span>
              ))}
            </dd>
            <dt>All well</dt>
            <dd>
              <Time at={it.wellAt} relative />
            </dd>
            <dt>Complete up to</dt>
            <dd>
              <Time at={it.reconciledTo} />
            </dd>
            <dt>Next check</dt>
            <dd>
              <Time at={it.nextCheck} relative />
            </dd>
          </dl>
          {change && (
            <form class="inline" onSubmit={(event) => event.preventDefault()}>
              <label>
                Ingest assets created since <input type="datetime-local" value={since.value} onInput={(event) => (since.value = event.currentTarget.value)} />
              </label>
              <Action run={backfill} disabled={!since.value}>
                Ingest
              </Action>
            </form>
          )}
        </>
      )}
    </Panel>
  );
}
