// Items: a table with thumbnails and filters, and one item.
import { useSignal } from '@preact/signals';
import { useEffect, useMemo } from 'preact/hooks';
import { get } from '../api';
import { bytes, count, fileName } from '../format';
import { type Filter, type Item, ItemList, STATUSES } from '../items';
import { generation, listen } from '../live';
import { href, route, setQuery } from '../router';
import { Thumbnail } from '../thumbnail';
import { announce, Badge, Empty, ErrorText, Field, Time } from '../ui';
import { Virtual } from '../virtual';
import { ItemPage } from './item';

const SYSTEMS = [['', 'All systems'], ['iconik', 'Iconik'], ['datacore', 'DataCore Swarm'], ['objectmatrix', 'Object Matrix']] as const;

interface Bucket {
  id: string;
  bucket: string;
}

export default function Items({ id }: { id: string }) {
  return id ? <ItemPage id={id} /> : <List />;
}

/** What was found, in numbers: `1 face, 3 objects`. */
function found(item: Item): string {
  const all = Object.values(item.results ?? {});
  const counts = ([['faces', 'face'], ['objects', 'object'], ['cues', 'cue']] as const).map(([many, one]) => {
    const numbers = all.map((it) => it[many]).filter((it) => it !== undefined);
    const sum = numbers.reduce((a, b) => a + b, 0);
    return numbers.length > 0 ? `${count(sum)} ${sum === 1 ? one : many}` : '';
  });
  return counts.filter(Boolean).join(', ');
}

/** A time as a field of the browser's own takes it: in its zone, to the minute. */
function localInput(iso: string): string {
  const time = Date.parse(iso);
  return Number.isNaN(time) ? '' : new Date(time - new Date(time).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

function Row({ item }: { item: Item }) {
  return (
    <a class="item-row" href={href('items', item.id)}>
      <span>
        <Thumbnail item={item} />
      </span>
      <span class="cut grow">
        <span class="strong">{item.title ?? fileName(item.key)}</span>
        <span class="dim under cut">{item.error ? item.error.message : `${item.bucket} / ${item.key}`}</span>
      </span>
      <span class="wide-only dim">
        {item.mediaType}
      </span>
      <span class="wide-only dim end">
        {bytes(item.size)}
      </span>
      <span class="medium-only end">
        {found(item)}
      </span>
      <span>
        <Badge text={item.status} />
      </span>
      <span class="medium-only dim end time">
        <Time at={item.foundAt} />
      </span>
    </a>
  );
}

function List() {
  const query = route.value.query;
  const buckets = useSignal<Bucket[]>([]);
  const filter: Filter = useMemo(
    () => ({
      status: query.get('status') ?? '',
      system: query.get('system') ?? '',
      bucket: query.get('bucket') ?? '',
      since: query.get('since') ?? '',
      text: query.get('text') ?? '',
    }),
    [query.toString()],
  );
  const list = useMemo(() => new ItemList(filter), [filter, generation.value]);
  useEffect(() => {
    void list.more();
    return listen((events) => list.take(events));
  }, [list]);
  useEffect(() => {
    get<{ items: Bucket[] }>('/api/v1/Media/Buckets').then(
      (it) => (buckets.value = it.items),
      () => undefined,
    );
  }, []);
  const set = (change: Partial<Filter>) => setQuery({ ...filter, ...change });
  const ids = list.order.value;
  const isReading = list.loading.value;
  useEffect(() => {
    if (!isReading) announce(`${count(ids.length)} ${list.complete.value ? 'items' : 'items so far'}`);
  }, [isReading, ids.length]);
  void list.changes.value; // an item that is drawn may have changed
  return (
    <div class="fill">
      <form class="filters" role="search" aria-label="Filter items" onSubmit={(event) => event.preventDefault()}>
        <Field label="Status" value={filter.status} set={(it) => set({ status: it })} list={[['', 'All'], ...STATUSES]} />
        <Field label="System" value={filter.system} set={(it) => set({ system: it })} list={SYSTEMS} />
        <Field label="Bucket" value={filter.bucket} set={(it) => set({ bucket: it })} list={[['', 'All'], ...buckets.value.map((it) => [it.id, it.bucket] as const)]} />
        <Field label="Found since" value={localInput(filter.since)} set={(it) => set({ since: it && new Date(it).toISOString() })} type="datetime-local" />
        <Field label="Name contains" value={filter.text} set={(it) => set({ text: it })} type="search" />
      </form>
      <ErrorText error={list.error.value} />
      {ids.length === 0 && !list.loading.value && <Empty>{list.complete.value ? 'No item fits.' : 'None yet.'}</Empty>}
      <Virtual
        rows={ids}
        height={56}
        label="Items"
        keyOf={(it) => it}
        render={(it) => {
          const item = list.item(it);
          return item && <Row item={item} />;
        }}
        onEnd={() => void list.more()}
      />
      <p class="caption">
        {count(ids.length)} {list.complete.value ? 'items' : 'items so far'}
        {list.loading.value && ', reading more…'}
        {!list.complete.value && !list.loading.value && (
          <button type="button" class="link" onClick={() => void list.more()}>
            Read more
          </button>
        )}
      </p>
    </div>
  );
}

