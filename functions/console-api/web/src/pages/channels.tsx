// Channels: all of them with their health; one of them with its deliveries.
import { useSignal } from '@preact/signals';
import { channelApi } from '../api';
import { ChannelForm } from '../channelform';
import { type Channel, KIND_NAMES, shownStatus, target } from '../channels';
import { count } from '../format';
import { generation } from '../live';
import { href } from '../router';
import { mayChange } from '../session';
import { Badge, Dialog, Empty, ErrorText, OnceShown, Panel, Time, usePolling } from '../ui';
import { ChannelPage } from './channel';

export default function Channels({ id }: { id: string }) {
  return id ? <ChannelPage id={id} /> : <List />;
}

function List() {
  const channels = useSignal<Channel[] | undefined>(undefined);
  const error = useSignal<unknown>(undefined);
  const adding = useSignal(false);
  const added = useSignal<Channel | undefined>(undefined);
  const read = async () => {
    try {
      channels.value = await channelApi<Channel[]>('GET', '/ChannelConfiguration/All');
      error.value = undefined;
    } catch (why) {
      error.value = why;
    }
  };
  usePolling(read, 3_000, [generation.value]);
  return (
    <>
      <Panel
        title="All channels"
        actions={
          mayChange('channels') && (
            <button type="button" class="primary" onClick={() => (adding.value = true)}>
              Add a channel
            </button>
          )
        }
      >
        <ErrorText error={error.value} />
        {channels.value?.length === 0 && <Empty>There is no channel: nothing is delivered anywhere.</Empty>}
        {!!channels.value?.length && (
          <div class="scroll-x" tabIndex={0} role="group" aria-label="Channels">
            <table>
              <thead>
                <tr>
                  <th scope="col">Health</th>
                  <th scope="col">Target</th>
                  <th scope="col" class="medium-only">
                    Kind
                  </th>
                  <th scope="col" class="medium-only">
                    Types
                  </th>
                  <th scope="col" class="end">
                    Failures in a row
                  </th>
                  <th scope="col" class="wide-only">
                    Changed
                  </th>
                </tr>
              </thead>
              <tbody>
                {channels.value.map((it) => (
                  <tr key={it.id}>
                    <td>
                      <Badge text={shownStatus(it)} />
                    </td>
                    <td class="wrap">
                      <a href={href('channels', it.id)}>{target(it)}</a>
                      {it.disabledReason && <span class="dim under">{it.disabledReason}</span>}
                      {it.nextProbeAt && (
                        <span class="dim under">
                          next probe <Time at={it.nextProbeAt} relative />
                        </span>
                      )}
                    </td>
                    <td class="medium-only">{KIND_NAMES[it.channel]}</td>
                    <td class="medium-only">{it.format === 'adcreative' ? 'AdCreative' : it.types.join(', ') || 'all'}</td>
                    <td class="end">{count(it.consecutiveFailures)}</td>
                    <td class="wide-only">
                      <Time at={it.updatedAt} />
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </Panel>
      {adding.value && (
        <Dialog title="Add a channel" close={() => (adding.value = false)}>
          <ChannelForm channel={undefined} done={(it) => ((adding.value = false), (added.value = it), void read())} />
        </Dialog>
      )}
      {added.value?.signingSecret && (
        <Dialog title="The channel is made" close={() => (added.value = undefined)}>
          <p>Its receiver verifies each request with this secret. Keep it: it is not shown again.</p>
          <OnceShown name="Signing secret" secret={added.value.signingSecret} />
        </Dialog>
      )}
    </>
  );
}
