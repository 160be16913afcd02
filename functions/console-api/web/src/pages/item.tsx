// One item: its picture or video with boxes, the ranges in which a face is seen, its history, its results.
import { useSignal } from '@preact/signals';
import { useEffect, useMemo } from 'preact/hooks';
import { get, request } from '../api';
import { bytes, fileName, timecode } from '../format';
import { type Item, type Result, type Track } from '../items';
import { generation, listen } from '../live';
import { newPlayback, type Playback, Player } from '../player';
import { href } from '../router';
import { mayChange } from '../session';
import type { StreamItem } from '../socket';
import { usePreview } from '../thumbnail';
import { Action, Badge, Empty, ErrorText, Panel, Time } from '../ui';

export function ItemPage({ id }: { id: string }) {
  const item = useSignal<Item | undefined>(undefined);
  const error = useSignal<unknown>(undefined);
  const chosen = useSignal<string | undefined>(undefined);
  const playback = useMemo(newPlayback, [id]);
  const read = () =>
    get<Item>(`/api/v1/Media/Items/${encodeURIComponent(id)}`).then(
      (it) => ((item.value = it), (error.value = undefined)),
      (why) => (error.value = why),
    );
  useEffect(() => {
    void read();
    const isOurs = (it: StreamItem) => (it.data as { item?: { id: string } } | undefined)?.item?.id === id;
    return listen((events) => events.some(isOurs) && void read());
  }, [id, generation.value]);
  const found = item.value;
  if (!found) return error.value ? <ErrorText error={error.value} /> : <Empty>Loading…</Empty>;
  const result = merged(Object.values(found.results ?? {}));
  const tracks = result?.tracks ?? [];
  const isVideo = found.mediaType.startsWith('video/') || (result?.media?.duration_ms ?? 0) > 0;
  const { width = 16, height = 9 } = result?.media ?? {};
  return (
    <>
      <p class="crumbs">
        <a href={href('items')}>Items</a> / <span>{found.title ?? fileName(found.key)}</span>
      </p>
      <div class="item-head">
        <Badge text={found.status} />
        <span class="dim">
          {found.bucket} / {found.key}
        </span>
        <span class="space" />
        {result && <Download item={found} />}
        {mayChange('media') && (
          <Action run={async () => (item.value = { ...found, ...(await request<Item>('POST', `/api/v1/Media/Items/${id}/reprocess`)) })} done="The item is queued for processing">
            Reprocess
          </Action>
        )}
      </div>
      {found.error && (
        <div class="callout bad">
          <p>
            <strong>{found.error.code}</strong>: {found.error.message}
          </p>
          {found.error.hint && <p>{found.error.hint}</p>}
        </div>
      )}
      <div class="columns wide-left">
        <div>
          {isVideo && (
            <Panel title="Video">
              <Player item={found} tracks={tracks} width={width} height={height} playback={playback} chosen={chosen.value} />
            </Panel>
          )}
          <Panel title={isVideo ? 'Frames' : 'Picture'}>
            <Picture item={found} result={result} chosen={chosen.value} choose={(it) => (chosen.value = it)} />
          </Panel>
        </div>
        <div>
          {result && <Timeline result={result} chosen={chosen.value} choose={(it) => (chosen.value = it)} playback={playback} />}
          <Facts item={found} result={result} />
          <History item={found} />
        </div>
      </div>
    </>
  );
}

/** What all processors have found, as one. */
function merged(all: Result[]): Result | undefined {
  const [first, ...others] = all;
  if (!first || others.length === 0) return first;
  const of = <T,>(pick: (it: Result) => T[] | undefined) => all.flatMap((it) => pick(it) ?? []);
  const media = all.find((it) => it.media)?.media;
  // each processor numbers its own
  const tracks = all.flatMap((it, number) => (it.tracks ?? []).map((track) => ({ ...track, id: number === 0 ? track.id : `${number + 1}-${track.id}` })));
  return { ...first, ...(media && { media }), tracks, warnings: of((it) => it.warnings) };
}

function best(track: Track) {
  return track.samples.reduce<Track['samples'][number] | undefined>((a, b) => (!a || b.confidence > a.confidence ? b : a), undefined);
}

/** The preview. Of a picture, boxes over it can be chosen; of a video it shows a frame per track, with its box drawn. */
function Picture({ item, result, chosen, choose }: { item: Item; result: Result | undefined; chosen: string | undefined; choose: (id: string) => void }) {
  const url = usePreview(item);
  const isStill = item.mediaType.startsWith('image/');
  const { width = 16, height = 9 } = result?.media ?? {};
  if (item.status !== 'Completed' && !result) return <Empty>There is a picture once the item is completed.</Empty>;
  return (
    <div class="picture" style={isStill ? { aspectRatio: `${width} / ${height}` } : {}}>
      {url ? <img src={url} alt={`Preview of ${fileName(item.key)}`} /> : <Empty>Loading…</Empty>}
      {isStill &&
        result?.tracks?.map((track) => {
          const sample = best(track);
          if (!sample?.box) return null;
          const { x, y, w, h } = sample.box;
          const name = `${track.label} ${track.id}, confidence ${(sample.confidence * 100).toFixed(0)} %`;
          return (
            <button
              type="button"
              key={track.id}
              class="box"
              title={name}
              aria-label={name}
              aria-pressed={chosen === track.id}
              style={{ left: `${x * 100}%`, top: `${y * 100}%`, width: `${w * 100}%`, height: `${h * 100}%` }}
              onClick={() => choose(track.id)}
            />
          );
        })}
    </div>
  );
}

/** A line per track, with the ranges in which it is seen. A range leads the player there. */
function Timeline({ result, chosen, choose, playback }: { result: Result; chosen: string | undefined; choose: (id: string) => void; playback: Playback }) {
  const tracks = result.tracks ?? [];
  const length = Math.max(1, result.media?.duration_ms ?? 0, ...tracks.flatMap((it) => it.ranges.map((range) => range.end_ms)));
  const isVideo = (result.media?.duration_ms ?? 0) > 0;
  const range = useSignal<string>('');
  return (
    <Panel title={isVideo ? 'Timeline' : 'Found'}>
      {tracks.length === 0 && <Empty>Nothing was found.</Empty>}
      <ul class="timeline">
        {tracks.map((track) => (
          <li key={track.id} class={chosen === track.id ? 'chosen' : ''}>
            <button type="button" class="link" aria-pressed={chosen === track.id} onClick={() => choose(track.id)}>
              {track.person ?? track.label} {track.id}
            </button>
            {isVideo ? (
              <span class="ranges">
                <Playhead playback={playback} length={length} />
                {track.ranges.map((it) => {
                  const text = `${timecode(it.start_ms)} to ${timecode(it.end_ms)}`;
                  return (
                    <button
                      type="button"
                      key={it.start_ms}
                      class="range"
                      title={text}
                      aria-label={`${track.label} ${track.id}: ${text}`}
                      style={{ left: `${(it.start_ms / length) * 100}%`, width: `${Math.max(0.6, ((it.end_ms - it.start_ms) / length) * 100)}%` }}
                      onClick={() => (choose(track.id), (playback.target.value = { ms: it.start_ms }), (range.value = `${track.label} ${track.id}: ${text}`))}
                    />
                  );
                })}
              </span>
            ) : (
              <span class="dim">confidence {((best(track)?.confidence ?? 0) * 100).toFixed(0)} %</span>
            )}
          </li>
        ))}
      </ul>
      {isVideo && (
        <p class="caption" role="status">
          {range.value || `0:00.0 to ${timecode(length)}`}
        </p>
      )}
      {result.warnings?.map((it) => (
        <p class="callout warn" key={it.code}>
          <strong>{it.code}</strong>: {it.message}
        </p>
      ))}
    </Panel>
  );
}

/** Where the player is. */
function Playhead({ playback, length }: { playback: Playback; length: number }) {
  return <span class="playhead" aria-hidden="true" style={{ left: `${Math.min(100, (playback.at.value / length) * 100)}%` }} />;
}

function Facts({ item, result }: { item: Item; result: Result | undefined }) {
  const media = result?.media;
  return (
    <Panel title="Facts">
      <dl class="facts">
        <dt>Type</dt>
        <dd>{item.mediaType}</dd>
        <dt>Size</dt>
        <dd>
          {bytes(item.size)}
          {media && `, ${media.width} × ${media.height}`}
          {media?.duration_ms ? `, ${timecode(media.duration_ms)}` : ''}
        </dd>
        <dt>System</dt>
        <dd>{item.system}</dd>
        <dt>Version</dt>
        <dd class="wrap">{item.version}</dd>
        <dt>Processors</dt>
        <dd>
          {item.processors?.map((it) => `${it.processor} ${it.state}`).join(', ') ?? item.processor}; priority {item.priority}, attempts {item.attempts}
        </dd>
        <dt>Id</dt>
        <dd class="wrap">
          <code>{item.id}</code>
        </dd>
      </dl>
    </Panel>
  );
}

function History({ item }: { item: Item }) {
  return (
    <Panel title="History">
      <ol class="history">
        {item.history?.map((it) => (
          <li key={`${it.at}${it.status}`}>
            <Time at={it.at} /> <Badge text={it.status} /> <span class="dim">{it.note}</span>
          </li>
        ))}
      </ol>
    </Panel>
  );
}

/** The result document as a file, made here: its address would need the access token. */
function Download({ item }: { item: Item }) {
  const save = useMemo(
    () => async () => {
      const url = URL.createObjectURL(new Blob([JSON.stringify(item.results, null, 2)], { type: 'application/json' }));
      const link = document.createElement('a');
      link.href = url;
      link.download = `${fileName(item.key)}.json`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(url), 10_000);
    },
    [item],
  );
  return <Action run={save}>Download results</Action>;
}
