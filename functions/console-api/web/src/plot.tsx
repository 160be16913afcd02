// A plot over time, drawn by uPlot, which is loaded when the first plot is.
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type uPlot from 'uplot';
import { clock } from './format';

export interface PlotProps {
  label: string;
  /** Seconds since 1970, ascending. */
  times: number[];
  series: { name: string; values: number[]; color: string }[];
}

const HEIGHT = 160;
const DARK = matchMedia('(prefers-color-scheme: dark)');

/** A colour of the style sheet as a canvas takes it: the one of the scheme in use. */
function color(element: HTMLElement, variable: string): string {
  const probe = element.appendChild(document.createElement('span'));
  probe.style.color = `var(${variable})`;
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

export function Plot({ label, times, series }: PlotProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  // what is there when the library has come, and not what was there when it was asked for
  const latest = useRef<uPlot.AlignedData>([[]]);
  latest.current = [times, ...series.map((it) => it.values)];
  const isDark = useSignal(DARK.matches);
  useEffect(() => {
    const change = () => (isDark.value = DARK.matches);
    DARK.addEventListener('change', change);
    return () => DARK.removeEventListener('change', change);
  }, []);
  useEffect(() => {
    let stopped = false;
    let observer: ResizeObserver | undefined;
    void import('uplot').then(({ default: UPlot }) => {
      const element = box.current;
      if (stopped || !element) return;
      const axis = { stroke: color(element, '--dim'), grid: { stroke: color(element, '--line'), width: 1 }, ticks: { show: false } };
      const bars = UPlot.paths.bars?.({ size: [0.8, 24] });
      plot.current = new UPlot(
        {
          width: element.clientWidth,
          height: HEIGHT,
          cursor: { y: false },
          legend: { show: false },
          scales: { y: { range: (_, __, max) => [0, Math.max(5, max * 1.1)] } },
          axes: [{ ...axis, space: 70, values: (_, splits) => splits.map(clock) }, { ...axis, size: 44 }],
          series: [
            {},
            ...series.map((it) => ({
              label: it.name,
              stroke: color(element, it.color),
              fill: color(element, it.color),
              ...(bars ? { paths: bars } : {}),
              points: { show: false },
            })),
          ],
        },
        latest.current,
        element,
      );
      observer = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: HEIGHT }));
      observer.observe(element);
    });
    return () => {
      stopped = true;
      observer?.disconnect();
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, [isDark.value]);
  useEffect(() => plot.current?.setData(latest.current), [times, series]);
  return <div class="plot" ref={box} role="img" aria-label={label} style={{ height: `${HEIGHT}px` }} />;
}
