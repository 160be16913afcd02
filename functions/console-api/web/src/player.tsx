// A player of an item's video, with the boxes of what is seen at the time; a timeline leads it to a range.
import { type Signal, signal, useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { fileName } from './format';
import type { Box, Item, Track } from './items';
import { accessToken } from './session';

/** Where the player is, in milliseconds, and where it is to go. */
export interface Playback {
  at: Signal<number>;
  /** Set to lead the player somewhere; a new object each time, so that the same place is gone to twice. */
  target: Signal<{ ms: number } | undefined>;
}

export const newPlayback = (): Playback => ({ at: signal(0), target: signal(undefined) });

/** A sample that is further away from the time that is shown says nothing of it, in milliseconds: processors take two a second. */
const NEAR_MS = 600;

const WORKER = /^\/console\/mediaworker-[A-Z0-9]+\.js$/;

interface TrustedTypesWindow {
  trustedTypes?: { createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): unknown } };
}

let started: Promise<void> | undefined;

/** Starts the worker that gives players their media, and waits until this page is one of its own. */
function startWorker(): Promise<void> {
  started ??= (async () => {
    const workers = navigator.serviceWorker;
    const url = document.querySelector<HTMLMetaElement>('meta[name="mediaworker"]')?.content ?? '';
    if (!workers || !WORKER.test(url)) throw new Error('This browser plays nothing here: it needs HTTPS, and service workers.');
    const createScriptURL = (it: string) => {
      if (!WORKER.test(it)) throw new Error('no script of the console');
      return it;
    };
    // the page's policy wants a script's address to be looked at
    const trusted = (window as TrustedTypesWindow).trustedTypes?.createPolicy('console', { createScriptURL });
    workers.addEventListener('message', (event) => {
      if (event.data === 'token') void accessToken().then((token) => event.ports[0]?.postMessage(token));
    });
    workers.startMessages();
    await workers.register((trusted?.createScriptURL(url) ?? url) as string, { scope: '/console' });
    const { active } = await workers.ready;
    if (workers.controller) return;
    const taken = new Promise((resolve) => workers.addEventListener('controllerchange', resolve, { once: true }));
    active?.postMessage('claim');
    await taken;
  })();
  started.catch(() => (started = undefined));
  return started;
}

/** The box of a track at a time: of the nearest sample, while the track is seen. */
export function boxAt(track: Track, ms: number): Box | undefined {
  const isSeen = track.ranges.some((it) => it.start_ms <= ms && ms <= it.end_ms);
  if (!isSeen) return undefined;
  let nearest: Track['samples'][number] | undefined;
  for (const sample of track.samples) {
    if (!nearest || Math.abs(sample.t_ms - ms) < Math.abs(nearest.t_ms - ms)) nearest = sample;
  }
  return nearest && Math.abs(nearest.t_ms - ms) <= NEAR_MS ? (nearest.box ?? undefined) : undefined;
}

export function Player({ item, tracks, width, height, playback, chosen }: { item: Item; tracks: Track[]; width: number; height: number; playback: Playback; chosen: string | undefined }) {
  const video = useRef<HTMLVideoElement>(null);
  const isReady = useSignal(false);
  const trouble = useSignal('');
  // what the result says, until the video itself is known: it may be turned, or have pixels that are no squares
  const ratio = useSignal(width / height);
  useEffect(() => {
    let stopped = false;
    startWorker().then(
      () => !stopped && (isReady.value = true),
      (why) => !stopped && (trouble.value = why instanceof Error ? why.message : String(why)),
    );
    return () => {
      stopped = true;
    };
  }, []);
  const target = playback.target.value;
  useEffect(() => {
    const element = video.current;
    if (!element || !target) return;
    element.currentTime = target.ms / 1_000;
    element.play().catch(() => undefined); // a browser may not want to; the frame is shown all the same
  }, [target, isReady.value]);
  useEffect(() => {
    const element = video.current;
    if (!element) return;
    let frame = 0;
    // once per frame while it plays, so that boxes move with what they are around
    const show = () => {
      playback.at.value = element.currentTime * 1_000;
      frame = element.paused ? 0 : requestAnimationFrame(show);
    };
    const wake = () => {
      cancelAnimationFrame(frame);
      if (element.videoWidth > 0) ratio.value = element.videoWidth / element.videoHeight;
      show();
    };
    const events = ['playing', 'pause', 'seeking', 'seeked', 'timeupdate', 'loadedmetadata'];
    events.forEach((it) => element.addEventListener(it, wake));
    return () => {
      cancelAnimationFrame(frame);
      events.forEach((it) => element.removeEventListener(it, wake));
    };
  }, [isReady.value]);
  const failed = () => {
    const code = video.current?.error?.code;
    trouble.value =
      code === MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED || code === MediaError.MEDIA_ERR_DECODE
        ? `This browser does not play ${item.mediaType}, or the media is not there any more. The frames show what was found.`
        : 'The media stopped coming. Reload the page to go on.';
  };
  if (trouble.value)
    return (
      <p class="callout warn" role="status">
        {trouble.value}
      </p>
    );
  return (
    <div class="player" style={{ aspectRatio: String(ratio.value), maxWidth: `calc(70vh * ${ratio.value})` }}>
      {isReady.value && <video ref={video} src={`/console/media/${item.id}`} controls preload="metadata" playsInline aria-label={`Video ${fileName(item.key)}`} onError={failed} />}
      <Boxes tracks={tracks} playback={playback} chosen={chosen} />
    </div>
  );
}

/** What is seen at the time; a part of its own, so that a frame draws these alone. */
function Boxes({ tracks, playback, chosen }: { tracks: Track[]; playback: Playback; chosen: string | undefined }) {
  const ms = playback.at.value;
  return (
    <div class="boxes" aria-hidden="true">
      {tracks.map((track) => {
        const box = boxAt(track, ms);
        return (
          box && (
            <span
              key={track.id}
              class={chosen === track.id ? 'seen chosen' : 'seen'}
              style={{ left: `${box.x * 100}%`, top: `${box.y * 100}%`, width: `${box.w * 100}%`, height: `${box.h * 100}%` }}
            />
          )
        );
      })}
    </div>
  );
}
