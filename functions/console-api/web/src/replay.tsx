// A replay: what it would queue is counted before it begins.
import { useSignal } from '@preact/signals';
import { channelApi } from './api';
import { count } from './format';
import { Action, Check, ErrorText, Field, Time } from './ui';

interface Progress {
  queued: number;
  seen: number;
  next?: string;
}

/** What was counted: the replay is of these notifications, and not of those that came since. */
interface Counted extends Progress {
  since: string;
  until: string;
  failed: boolean;
}

export function Replay({ id }: { id: string }) {
  const since = useSignal(new Date(Date.now() - 3_600_000 - new Date().getTimezoneOffset() * 60_000).toISOString().slice(0, 16));
  const failed = useSignal(true);
  const counted = useSignal<Counted | undefined>(undefined);
  const done = useSignal<Progress | undefined>(undefined);
  const isDone = useSignal(false);
  const error = useSignal<unknown>(undefined);

  /** Goes through the notifications of a time; what an interrupted replay has queued already is shown. */
  const run = async (of: Omit<Counted, keyof Progress>, dryRun: boolean, shown: (sum: Progress) => void): Promise<Progress> => {
    const sum: Progress = { queued: 0, seen: 0 };
    let after: string | undefined;
    do {
      const form: Record<string, string> = { until: of.until, failed: String(of.failed), dryRun: String(dryRun) };
      if (after) form['after'] = after;
      else form['since'] = of.since;
      const part = await channelApi<Progress>('POST', '/Replay', { query: { configurationId: id }, form });
      sum.queued += part.queued;
      sum.seen += part.seen;
      after = part.next;
      shown({ ...sum });
    } while (after);
    return sum;
  };
  const attempt = async (work: () => Promise<void>) => {
    error.value = undefined;
    try {
      await work();
    } catch (why) {
      error.value = why;
    }
  };
  const countThem = () =>
    attempt(async () => {
      const of = { since: new Date(since.value).toISOString(), until: new Date().toISOString(), failed: failed.value };
      counted.value = { ...of, ...(await run(of, true, () => undefined)) };
    });
  const deliver = () =>
    attempt(async () => {
      const of = counted.value;
      if (!of) return;
      await run(of, false, (sum) => (done.value = sum));
      isDone.value = true;
    });
  const change = <T,>(set: (value: T) => void) => (value: T) => {
    counted.value = done.value = undefined;
    isDone.value = false;
    set(value);
  };
  return (
    <form onSubmit={(event) => event.preventDefault()}>
      <Field label="From (your time)" type="datetime-local" value={since.value} set={change((it: string) => (since.value = it))} />
      <Check label="Only what has failed" value={failed.value} set={change((on: boolean) => (failed.value = on))} />
      <ErrorText error={error.value} />
      <p role="status">
        {done.value ? (
          <>
            {count(done.value.queued)} {isDone.value ? 'deliveries are queued.' : 'deliveries are queued so far.'}
          </>
        ) : counted.value ? (
          <>
            {count(counted.value.queued)} of {count(counted.value.seen)} notifications up to <Time at={counted.value.until} /> would be delivered again.
          </>
        ) : (
          'First it is counted what would be delivered.'
        )}
      </p>
      <Action run={countThem} disabled={!since.value}>
        Count
      </Action>{' '}
      <Action run={deliver} kind="primary" disabled={!counted.value?.queued || !!done.value}>
        {counted.value ? `Deliver ${count(counted.value.queued)}` : 'Deliver'}
      </Action>
    </form>
  );
}
