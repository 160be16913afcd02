// A replay: what it would queue is counted before it begins.
import { useSignal } from '@preact/signals';
import { channelApi } from './api';
import { count } from './format';
import { Action, Check, ErrorText, Field } from './ui';

interface Progress {
  queued: number;
  seen: number;
  next?: string;
}

export function Replay({ id }: { id: string }) {
  const since = useSignal(new Date(Date.now() - 3_600_000 - new Date().getTimezoneOffset() * 60_000).toISOString().slice(0, 16));
  const failed = useSignal(true);
  const counted = useSignal<Progress | undefined>(undefined);
  const done = useSignal<Progress | undefined>(undefined);
  const error = useSignal<unknown>(undefined);
  const run = async (dryRun: boolean) => {
    error.value = undefined;
    const total: Progress = { queued: 0, seen: 0 };
    const until = new Date().toISOString();
    let after: string | undefined;
    try {
      do {
        const form: Record<string, string> = { until, failed: String(failed.value), dryRun: String(dryRun) };
        if (after) form['after'] = after;
        else form['since'] = new Date(since.value).toISOString();
        const part = await channelApi<Progress>('POST', '/Replay', { query: { configurationId: id }, form });
        total.queued += part.queued;
        total.seen += part.seen;
        after = part.next;
        if (!dryRun) done.value = { ...total };
      } while (after);
    } catch (why) {
      error.value = why;
      return;
    }
    if (dryRun) counted.value = total;
  };
  const change = <T,>(set: (value: T) => void) => (value: T) => {
    counted.value = done.value = undefined;
    set(value);
  };
  return (
    <form onSubmit={(event) => event.preventDefault()}>
      <Field label="From (your time)" type="datetime-local" value={since.value} set={change((it: string) => (since.value = it))} />
      <Check label="Only what has failed" value={failed.value} set={change((on: boolean) => (failed.value = on))} />
      <ErrorText error={error.value} />
      <p role="status">
        {done.value
          ? `${count(done.value.queued)} deliveries are queued.`
          : counted.value
            ? `${count(counted.value.queued)} of ${count(counted.value.seen)} notifications would be delivered again.`
            : 'First it is counted what would be delivered.'}
      </p>
      <Action run={() => run(true)} disabled={!since.value}>
        Count
      </Action>{' '}
      <Action run={() => run(false)} kind="primary" disabled={!counted.value?.queued || !!done.value}>
        {counted.value ? `Deliver ${count(counted.value.queued)}` : 'Deliver'}
      </Action>
    </form>
  );
}
