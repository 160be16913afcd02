// Previews of items. A picture needs the access token, so it is fetched and kept as an object URL, and not by its address.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { getBlob } from './api';
import type { Item } from './items';

/** Previews that are kept: those that were seen last. */
const KEPT = 200;
/** Requests at once. */
const AT_ONCE = 4;

const urls = new Map<string, Promise<string>>();
const waiting: (() => void)[] = [];
let running = 0;

async function turn<T>(run: () => Promise<T>): Promise<T> {
  if (running >= AT_ONCE) await new Promise<void>((resume) => waiting.push(resume));
  running += 1;
  try {
    return await run();
  } finally {
    running -= 1;
    waiting.shift()?.();
  }
}

/** The object URL of an item's preview. */
export function previewUrl(id: string, updatedAt: string): Promise<string> {
  const key = `${id} ${updatedAt}`;
  const known = urls.get(key);
  if (known) {
    urls.delete(key);
    urls.set(key, known);
    return known;
  }
  const made = turn(async () => URL.createObjectURL(await getBlob(`/api/v1/Media/Items/${id}/preview.jpg`)));
  urls.set(key, made);
  made.catch(() => urls.delete(key));
  for (const [old, url] of urls) {
    if (urls.size <= KEPT) break;
    urls.delete(old);
    void url.then((it) => URL.revokeObjectURL(it)).catch(() => undefined);
  }
  return made;
}

export function usePreview(item: Item | undefined): string | undefined {
  const url = useSignal<string | undefined>(undefined);
  // of several processors one may have failed, and the picture of the faces is there
  const has = item?.status === 'Completed' || !!item?.results?.['FacialRecognition'];
  useEffect(() => {
    url.value = undefined;
    if (!item || !has) return;
    let stopped = false;
    previewUrl(item.id, item.updatedAt).then(
      (it) => !stopped && (url.value = it),
      () => undefined,
    );
    return () => {
      stopped = true;
    };
  }, [item?.id, item?.updatedAt, has]);
  return url.value;
}

/** A small preview of fixed size, so that nothing moves when it comes. */
export function Thumbnail({ item }: { item: Item }) {
  const url = usePreview(item);
  return <span class="thumb">{url ? <img src={url} alt="" width="64" height="40" /> : <span aria-hidden="true">{item.mediaType.startsWith('video/') ? '▶' : '▣'}</span>}</span>;
}
