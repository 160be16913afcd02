// One channel: its health, its deliveries as they are made, why something did not arrive, tests, retries, replays, secrets.
import { useSignal } from '@preact/signals';
import { channelApi } from '../api';
import { ChannelForm } from '../channelform';
import { type Channel, type Delivery, type Explanation, KIND_NAMES, lastAt, sentence, shownStatus, target } from '../channels';
import { count } from '../format';
import { Replay } from '../replay';
import { go, href } from '../router';
import { mayChange } from '../session';
import { Action, Badge, Dialog, Empty, ErrorText, OnceShown, Panel, Time, toast, usePolling } from '../ui';
import { Virtual } from '../virtual';

export function ChannelPage({ id }: { id: string }) {
  const channel = useSignal<Channel | undefined>(undefined);
  const error = useSignal<unknown>(undefined);
  const open = useSignal<'edit' | 'replay' | undefined>(undefined);
  const secret = useSignal<string | undefined>(undefined);
  const read = async () => {
    try {
      channel.value = await channelApi<Channel>('GET', '/ChannelConfiguration', { query: { configurationId: id } });
      error.value = undefined;
    } catch (why) {
      error.value = why;
    }
  };
  usePolling(read, 2_000, [id]);
  const it = channel.value;
  if (!it) return error.value ? <ErrorText error={error.value} /> : <Empty>Loading…</Empty>;
  const change = mayChange('channels');
  const test = async () => {
    const sent = await channelApi<{ notification: string }>('POST', '/ChannelConfiguration/Test', { query: { configurationId: id } });
    toast(`A test is sent: ${sent.notification}`);
  };
  const rotate = async () => {
    if (!confirm('Replace the signing secret? The previous one signs as well for another day.')) return;
    const made = await channelApi<{ signingSecret: string }>('POST', '/ChannelConfiguration/WebHook/RotateSecret', { query: { configurationId: id }, json: {} });
    secret.value = made.signingSecret;
  };
  const remove = async () => {
    if (!confirm('Remove this channel? What waits for it is dropped.')) return;
    await channelApi('DELETE', '/ChannelConfiguration', { query: { configurationId: id } });
    go('channels');
  };
  return (
    <>
      <p class="crumbs">
        <a href={href('channels')}>Channels</a> / <span class="wrap">{target(it)}</span>
      </p>
      <div class="item-head">
        <Badge text={shownStatus(it)} />
        <span class="dim">
          {KIND_NAMES[it.channel]}, {it.format}
          {it.consecutiveFailures > 0 && `, ${count(it.consecutiveFailures)} failures in a row`}
        </span>
        <span class="space" />
        {change && (
          <>
            <Action run={test}>Send a test</Action>
            <button type="button" onClick={() => (open.value = 'replay')}>
              Replay…
            </button>
            <button type="button" onClick={() => (open.value = 'edit')}>
              Edit
            </button>
            {it.channel === 0 && <Action run={rotate}>Rotate secret</Action>}
            <Action run={remove} kind="danger">
              Remove
            </Action>
          </>
        )}
      </div>
      <HealthNote channel={it} />
      <Deliveries channel={it} change={change} />
      {open.value === 'edit' && (
        <Dialog title="Edit the channel" close={() => (open.value = undefined)}>
          <ChannelForm
            channel={it}
            done={(stored) => {
              open.value = undefined;
              secret.value = stored.signingSecret;
              toast('The channel is stored');
              void read();
            }}
          />
        </Dialog>
      )}
      {open.value === 'replay' && (
        <Dialog title="Replay to this channel" close={() => (open.value = undefined)}>
          <Replay id={id} />
        </Dialog>
      )}
      {secret.value && (
        <Dialog title="New signing secret" close={() => (secret.value = undefined)}>
          <p>Keep it: it is not shown again.</p>
          <OnceShown name="Signing secret" secret={secret.value} />
        </Dialog>
      )}
    </>
  );
}

/** What is wrong with the receiver, and what to do. */
function HealthNote({ channel }: { channel: Channel }) {
  if (channel.disabledReason)
    return (
      <p class="callout bad">
        The channel is disabled: {channel.disabledReason}. Mend the receiver, store the channel as active, and replay what it has missed.
      </p>
    );
  if (channel.status === 'failing')
    return (
      <p class="callout bad">
        The breaker is open after {count(channel.consecutiveFailures)} failures in a row; the next probe is <Time at={channel.nextProbeAt} relative />. Deliveries wait, and nothing is
        lost.
      </p>
    );
  if (channel.unanswered)
    return (
      <p class="callout warn">
        The receiver has not answered lately: one attempt at a time is made until it does. It should answer with a 2xx within three seconds, before it does the work.
      </p>
    );
  if (channel.slow) return <p class="callout warn">The receiver is slow: its deliveries go through the slow queue.</p>;
  if (channel.status === 'unconfirmed') return <p class="callout warn">The receiver has not answered its challenge yet, and gets nothing else. Storing the channel again sends another one.</p>;
  if (channel.status === 'recovering') return <p class="callout warn">The receiver recovers: deliveries come slowly at first.</p>;
  return null;
}

const STATES = ['', 'delivered', 'retrying', 'dead', 'disabled', 'dropped'];

/** The deliveries, newest first, as they are made. */
function Deliveries({ channel, change }: { channel: Channel; change: boolean }) {
  const deliveries = useSignal<Delivery[] | undefined>(undefined);
  const state = useSignal('');
  const chosen = useSignal<string | undefined>(undefined);
  usePolling(
    async () => {
      const all = await channelApi<Delivery[]>('GET', '/Deliveries', { query: { configurationId: channel.id } });
      deliveries.value = all.sort((a, b) => (lastAt(a) < lastAt(b) ? 1 : -1));
    },
    2_000,
    [channel.id],
  );
  const rows = deliveries.value?.filter((it) => !state.value || it.state === state.value) ?? [];
  const opened = deliveries.value?.find((it) => it.id === chosen.value);
  return (
    <Panel
      title="Deliveries"
      actions={
        <label class="inline">
          State{' '}
          <select value={state.value} onChange={(event) => (state.value = event.currentTarget.value)}>
            {STATES.map((it) => (
              <option value={it}>{it || 'all'}</option>
            ))}
          </select>
        </label>
      }
    >
      {deliveries.value && rows.length === 0 && <Empty>No attempt was recorded yet.</Empty>}
      <div class="log">
        <Virtual
          rows={rows}
          height={40}
          label="Newest first"
          keyOf={(it) => it.id}
          render={(it) => {
            const last = it.attempts.at(-1);
            return (
              <button type="button" class="log-row" aria-pressed={chosen.value === it.id} onClick={() => (chosen.value = it.id)}>
                <span class="time">
                  <Time at={lastAt(it) || undefined} />
                </span>
                <span>
                  <Badge text={it.state} />
                </span>
                <span class="cut grow">
                  {last?.outcome}
                </span>
                <span class="medium-only end">
                  {last && `${count(last.tookMs)} ms`}
                </span>
                <span class="medium-only end dim">
                  {it.attempts.length === 1 ? '1 attempt' : `${count(it.attempts.length)} attempts`}
                </span>
              </button>
            );
          }}
        />
      </div>
      {opened && (
        <Dialog title="A delivery" close={() => (chosen.value = undefined)}>
          <One delivery={opened} channel={channel} change={change} />
        </Dialog>
      )}
    </Panel>
  );
}

function One({ delivery, channel, change }: { delivery: Delivery; channel: Channel; change: boolean }) {
  return (
    <>
      <p class="item-head">
        <Badge text={delivery.state} /> <code class="wrap">{delivery.notification}</code>
        {delivery.nextAttemptAt && (
          <span class="dim">
            next attempt <Time at={delivery.nextAttemptAt} relative />
          </span>
        )}
      </p>
      <Explain channel={channel} notification={delivery.notification} />
      <h3>Attempts</h3>
      <ol class="history">
        {delivery.attempts.map((it) => (
          <li key={`${it.again ?? ''}${it.attempt}`}>
            <Time at={it.at} /> <span class="wrap">{it.outcome}</span> <span class="dim">in {count(it.tookMs)} ms</span>
            {it.answer && <pre tabIndex={0}>{it.answer}</pre>}
          </li>
        ))}
      </ol>
      {change && (
        <Action
          kind="primary"
          run={() => channelApi('POST', `/Deliveries/${encodeURIComponent(delivery.id)}/retry`)}
          done="One more attempt is made"
        >
          Retry now
        </Action>
      )}
    </>
  );
}

/** Why a notification did or did not arrive, as a sentence with the way to mend it. */
export function Explain({ channel, notification }: { channel: Channel; notification: string }) {
  const found = useSignal<Explanation | undefined>(undefined);
  const error = useSignal<unknown>(undefined);
  usePolling(
    () =>
      channelApi<Explanation>('GET', '/Explain', { query: { configurationId: channel.id, notification } }).then(
        (it) => (found.value = it),
        (why) => (error.value = why),
      ),
    3_000,
    [channel.id, notification],
  );
  const it = found.value;
  if (!it) return <ErrorText error={error.value} />;
  const { says, mend } = sentence(it, channel);
  const others = [...new Set(it.reasons)].slice(1);
  return (
    <div class="explain">
      <h3>Explain</h3>
      <p class="says">{says}</p>
      <p>{mend}</p>
      {others.length > 0 && (
        <ul>
          {others.map((reason) => (
            <li key={reason}>{reason}</li>
          ))}
        </ul>
      )}
    </div>
  );
}
