// Usage: units and list price by day and path, and what the month will come to.
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { get } from '../api';
import { count, money } from '../format';
import { Empty, ErrorText, Panel } from '../ui';

interface Day {
  day: string;
  paths: { path: string; units: number; listPrice: number }[];
  listPrice: number;
  more: boolean;
}

/** The longest month. The API counts today and the 30 days before it. */
const DAYS = 31;
const AT_ONCE = 4;
const NAMES: Record<string, string> = { item: 'Items found', delivery: 'Deliveries', inbox: 'Inbox notifications' };

/** The days of this month, and those before it, back to `DAYS` ago; the newest first. */
function days(): string[] {
  return Array.from({ length: DAYS }, (_, index) => new Date(Date.now() - index * 86_400_000).toISOString().slice(0, 10));
}

export default function Usage() {
  const found = useSignal<Record<string, Day>>({});
  const error = useSignal<unknown>(undefined);
  useEffect(() => {
    let stopped = false;
    const left = days();
    const work = async () => {
      for (let day = left.shift(); day && !stopped; day = left.shift()) {
        const read = await get<Day>('/api/v1/Usage', { day });
        if (!stopped) found.value = { ...found.value, [read.day]: read };
      }
    };
    Promise.all(Array.from({ length: AT_ONCE }, work)).catch((why) => (error.value = why));
    return () => {
      stopped = true;
    };
  }, []);
  const all = days().flatMap((it) => found.value[it] ?? []);
  const paths = all[0]?.paths.map((it) => it.path) ?? [];
  const today = found.value[days()[0]!];
  const month = new Date().toISOString().slice(0, 7);
  const ofMonth = all.filter((it) => it.day.startsWith(month));
  // a sum is shown once each of its days is there: what is missing would be taken for nothing
  const isWhole = ofMonth.length === days().filter((it) => it.startsWith(month)).length;
  const more = ofMonth.some((it) => it.more) ? '+' : '';
  const spent = ofMonth.reduce((sum, it) => sum + it.listPrice, 0);
  const now = new Date();
  const length = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 0)).getUTCDate();
  const passed = now.getUTCDate() - 1 + (now.getUTCHours() * 60 + now.getUTCMinutes()) / 1_440;
  const projected = passed > 0 ? (spent / passed) * length : 0;
  return (
    <>
      <ErrorText error={error.value} />
      <div class="tiles">
        <div class="tile">
          <span class="tile-name">Today</span>
          <span class="tile-value">{today ? `${money(today.listPrice)}${today.more ? '+' : ''}` : '–'}</span>
        </div>
        <div class="tile">
          <span class="tile-name">This month so far</span>
          <span class="tile-value">{isWhole ? `${money(spent)}${more}` : '–'}</span>
        </div>
        <div class="tile">
          <span class="tile-name">Projected month</span>
          <span class="tile-value">{isWhole ? `${money(projected)}${more}` : '–'}</span>
        </div>
      </div>
      <Panel title="By day and path">
        {all.length === 0 ? (
          <Empty>Loading…</Empty>
        ) : (
          <div class="scroll-x" tabIndex={0} role="group" aria-label="Usage by day and path">
            <table>
              <thead>
                <tr>
                  <th scope="col">Day (UTC)</th>
                  {paths.map((it) => (
                    <th scope="col" class="end" key={it}>
                      {NAMES[it] ?? it}
                    </th>
                  ))}
                  <th scope="col" class="end">
                    List price
                  </th>
                </tr>
              </thead>
              <tbody>
                {all.map((it) => (
                  <tr key={it.day}>
                    <th scope="row">{it.day}</th>
                    {it.paths.map((path) => (
                      <td class="end" key={path.path}>
                        {count(path.units)}
                        <span class="dim under">{path.units > 0 ? money(path.listPrice) : '–'}</span>
                      </td>
                    ))}
                    <td class="end">
                      {money(it.listPrice)}
                      {it.more && '+'}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
        <p class="caption">
          The price is AWS's list price in us-east-1 for the requests and capacity units that the meter measured for one unit of each path, without computing time and
          traffic.
        </p>
      </Panel>
    </>
  );
}
