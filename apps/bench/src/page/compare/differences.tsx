import { differencesOf, type AccuracyDifference, type Change, type LatencyDifference, type Verdict } from '../../report/difference.ts';
import { NONE, percent, significant } from '../../report/format.ts';
import type { Run } from '../../report/schema.ts';
import type { Table } from '../../report/table.ts';
import { Sortable } from './sortable.tsx';

const WORDS: Record<'time' | 'figure', Record<Verdict, string>> = {
  time: { better: '▲ faster', worse: '▼ slower', noise: '≈ noise', unknown: '? unknown' },
  figure: { better: '▲ higher', worse: '▼ lower', noise: '≈ noise', unknown: '? unknown' },
};
const TONES: Record<string, string> = {
  [WORDS.time.better]: 'better',
  [WORDS.time.worse]: 'worse',
  [WORDS.figure.better]: 'better',
  [WORDS.figure.worse]: 'worse',
  [WORDS.time.noise]: 'faint',
  [WORDS.time.unknown]: 'faint',
};
const NOTES = [
  'Marked where the 95 % intervals of A and B do not overlap; “noise” where they do; “unknown” where there are too few samples, or what was measured is not the same.',
  'All times may shift together, when a machine is busier; ×plain, against the plain form timed in turns with the block, does not.',
];

/** What two runs measured both, side by side, with the differences beyond the noise marked. */
export function DifferenceTables({ first, second }: { first: Run; second: Run }) {
  const { latency, accuracy } = differencesOf(first, second);
  return (
    <section>
      <h2>B against A</h2>
      {latency.length + accuracy.length === 0 && (
        <p>The two runs have measured nothing in common: no block at the same shape, or on the same task.</p>
      )}
      {latency.length > 0 && <Sortable table={latencyTable(latency)} tone={(cell) => TONES[cell]} />}
      {accuracy.length > 0 && <Sortable table={accuracyTable(accuracy)} tone={(cell) => TONES[cell]} />}
    </section>
  );
}

function latencyTable(differences: readonly LatencyDifference[]): Table {
  const timesCells = (change: Change | null) =>
    change ? [WORDS.figure[change.verdict], change.first.toFixed(2), change.second.toFixed(2)] : [NONE, NONE, NONE];
  return {
    title: `Latency: ${countOf(
      differences.map(({ median }) => median),
      WORDS.time,
    )}`,
    notes: NOTES,
    columns: ['block', 'shape', 'time', 'B ÷ A', 'A ms', 'B ms', '×plain', 'A ×plain', 'B ×plain'],
    rows: differences.map(({ block, shape, median, timesFaster }) => [
      block,
      shape,
      WORDS.time[median.verdict],
      (median.second / median.first).toFixed(2),
      significant(median.first),
      significant(median.second),
      ...timesCells(timesFaster),
    ]),
  };
}

function accuracyTable(differences: readonly AccuracyDifference[]): Table {
  return {
    title: `Accuracy: ${countOf(
      differences.map(({ accuracy }) => accuracy),
      WORDS.figure,
    )}`,
    notes: ['In %; B − A in percentage points. Accuracies after other epochs, or on other images, are not held against each other.'],
    columns: ['block', 'task', 'accuracy', 'B − A', 'A', 'B'],
    rows: differences.map(({ block, task, accuracy: { first, second, verdict } }) => {
      const points = (100 * (second - first)).toFixed(1);
      const signed = Number(points) > 0 ? `+${points}` : points.replace(/^-0\.0$/, '0.0');
      return [block, task, WORDS.figure[verdict], signed, percent(first), percent(second)];
    }),
  };
}

/** 2 of 15 beyond the noise: 1 faster, 1 slower in B */
function countOf(changes: readonly Change[], words: Record<Verdict, string>): string {
  const count = (verdict: Verdict) => changes.filter((change) => change.verdict === verdict).length;
  const marked = (['better', 'worse'] as const)
    .filter((verdict) => count(verdict) > 0)
    .map((verdict) => `${count(verdict)} ${words[verdict].slice(2)}`);
  const total = count('better') + count('worse');
  return `${total} of ${changes.length} beyond the noise${total > 0 ? `: ${marked.join(', ')} in B` : ''}`;
}
