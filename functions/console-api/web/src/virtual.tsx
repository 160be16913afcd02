// A list that draws only the rows that are seen, however long it is.
import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';

export interface VirtualProps<T> {
  rows: readonly T[];
  /** All rows are as high, in pixels. */
  height: number;
  render: (row: T, index: number) => ComponentChildren;
  keyOf: (row: T) => string;
  label: string;
  /** Called when the end comes into view: more may be read. */
  onEnd?: () => void;
}

/** Rows drawn above and below those that are seen. */
const MARGIN = 6;
/** Browsers bound an element's height: Chromium's, Firefox's and Safari's all exceed this, in pixels. */
const MAX_HEIGHT = 8_000_000;
/** Rows that may come in above at once, and what is seen still stays where it is. */
const MAX_ABOVE = 2_000;

/** What is seen at the top: the index and the keys of its rows, the pixels of the first one that are hidden, the scroll position. */
interface Anchor {
  index: number;
  keys: string[];
  hidden: number;
  top: number;
}

/** A list whose rows hold links or buttons. Each row says where it stands among all, since most of them are not drawn. */
export function Virtual<T>({ rows, height, render, keyOf, label, onEnd }: VirtualProps<T>) {
  const box = useRef<HTMLDivElement>(null);
  const top = useSignal(0);
  const seen = useSignal(600);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const measure = () => (seen.value = element.clientHeight);
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  const whole = rows.length * height;
  const drawnHeight = Math.min(whole, MAX_HEIGHT);
  // beyond the bound, the scroll position is a share of the list instead of a number of pixels
  const scale = whole > drawnHeight ? (whole - seen.value) / Math.max(1, drawnHeight - seen.value) : 1;
  const offset = top.value * scale;
  const first = Math.max(0, Math.floor(offset / height) - MARGIN);
  const last = Math.min(rows.length, Math.ceil((offset + seen.value) / height) + MARGIN);
  useEffect(() => {
    if (last >= rows.length - MARGIN) onEnd?.();
  }, [last, rows.length]);
  // what is read stays where it is when rows come in above, or go: two rows that are still neighbours tell how far it moved
  const anchor = useRef<Anchor>({ index: 0, keys: [], hidden: 0, top: 0 });
  useLayoutEffect(() => {
    const element = box.current;
    const { index, keys, hidden, top: before } = anchor.current;
    if (!element || element.scrollTop === 0) return;
    const isThere = (at: number) => at >= 0 && keys.length > 0 && keys.every((key, next) => rows[at + next] !== undefined && keyOf(rows[at + next]!) === key);
    for (let distance = 0; distance <= MAX_ABOVE; distance += 1) {
      const found = [index + distance, index - distance].find(isThere);
      if (found === undefined) continue;
      const moved = (found * height + hidden) / scale - before;
      if (Math.abs(moved) >= 1) element.scrollTop += moved;
      top.value = element.scrollTop;
      return;
    }
  }, [rows]);
  useLayoutEffect(() => {
    const index = Math.min(rows.length, Math.max(0, Math.floor(offset / height)));
    anchor.current = { index, keys: rows.slice(index, index + 2).map(keyOf), hidden: offset - index * height, top: top.value };
  });
  const shift = top.value - (offset - first * height);
  return (
    <div class="virtual" ref={box} tabIndex={0} role="region" aria-label={label} onScroll={(event) => (top.value = event.currentTarget.scrollTop)}>
      <div class="whole" style={{ height: `${drawnHeight}px` }}>
        <ul class="drawn" style={{ transform: `translateY(${shift}px)` }}>
          {rows.slice(first, last).map((row, index) => (
            <li class="row" key={keyOf(row)} aria-setsize={rows.length} aria-posinset={first + index + 1} style={{ height: `${height}px` }}>
              {render(row, first + index)}
            </li>
          ))}
        </ul>
      </div>
    </div>
  );
}
