// Dead letters: what could not be handled, why, and the way back to the queue.
import { useSignal } from '@preact/signals';
import { type DeadLetter, deadLetters, discard, KINDS, redrive, visibleKinds } from '../deadletters';
import { count } from '../format';
import { mayChange } from '../session';
import { Action, Empty, ErrorText, Panel, Time, toast, usePolling } from '../ui';

interface Loaded {
  kind: string;
  items: DeadLetter[];
  more: boolean;
}

const NAMES: Record<string, string> = {
  scan: 'Scans', iconik: 'Iconik', faces: 'Faces', objects: 'Objects', translations: 'Translations', render: 'Renditions', webhook: 'Webhooks', amqp: 'RabbitMQ', signalr: 'SignalR hubs', push: 'Sockets', nms: 'Message stores',
};

export default function DeadLettersPage() {
  const all = useSignal<Loaded[] | undefined>(undefined);
  const error = useSignal<unknown>(undefined);
  const read = async () => {
    try {
      all.value = await Promise.all(visibleKinds().map(async (kind) => ({ kind, ...(await deadLetters(kind)) })));
      error.value = undefined;
    } catch (why) {
      error.value = why;
    }
  };
  usePolling(read, 20_000, []);
  const there = all.value?.filter((it) => it.items.length > 0 || it.more) ?? [];
  return (
    <>
      <p class="lead">Messages that could not be handled wait here for 14 days. What failed is usually mended first; then they go back to their queue, a few at first.</p>
      <ErrorText error={error.value} />
      {!all.value && !error.value && <Empty>Loading…</Empty>}
      {all.value && there.length === 0 && <Empty>There are no dead letters.</Empty>}
      {there.map((it) => (
        <Kind key={it.kind} loaded={it} read={read} />
      ))}
    </>
  );
}

function Kind({ loaded, read }: { loaded: Loaded; read: () => Promise<void> }) {
  const change = mayChange(KINDS.find(([kind]) => kind === loaded.kind)?.[1] ?? '');
  const sendBack = async (ids?: string[]) => {
    toast(`${count(await redrive(loaded.kind, ids))} of ${NAMES[loaded.kind]} are back in their queue`);
    await read();
  };
  const drop = async (letter: DeadLetter) => {
    if (!confirm('Discard this message? It is gone then.')) return;
    toast(`${count(await discard(loaded.kind, [letter.id]))} of ${NAMES[loaded.kind]} are discarded`);
    await read();
  };
  return (
    <Panel
      title={`${NAMES[loaded.kind]} (${count(loaded.items.length)}${loaded.more ? '+' : ''})`}
      actions={
        change && (
          <Action run={() => sendBack()} label={`Redrive all: ${NAMES[loaded.kind]}`}>
            Redrive all
          </Action>
        )
      }
    >
      <ul class="letters">
        {loaded.items.map((it) => (
          <li key={it.id}>
            <div class="letter">
              <Time at={it.sentAt} />
              <strong class="grow wrap">{it.reason}</strong>
              {change && (
                <span class="actions">
                  <Action run={() => sendBack([it.id])} label={`Redrive: ${it.id}`}>
                    Redrive
                  </Action>
                  <Action run={() => drop(it)} kind="danger" label={`Discard: ${it.id}`}>
                    Discard
                  </Action>
                </span>
              )}
            </div>
            <details>
              <summary>Message</summary>
              <pre tabIndex={0}>{it.truncated ? String(it.body) : JSON.stringify(it.body, null, 2)}</pre>
              {it.truncated && <p class="caption">This is the beginning of a longer message.</p>}
            </details>
          </li>
        ))}
      </ul>
      {loaded.more && (
        <p class="caption">
          There may be more: somebody else is reading some, or there are more than one request looks at.{' '}
          <button type="button" class="link" onClick={() => void read()}>
            Look further
          </button>
        </p>
      )}
    </Panel>
  );
}
