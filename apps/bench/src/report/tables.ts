import { mega, NONE, percent, shapeName, significant, whole } from './format.ts';
import type { AccuracyResult, Environment, LatencyResult, PeerResult, Result, Run, ScalingResult } from './schema.ts';
import { TASKS } from '../tasks/names.ts';
import { tasks } from '../tasks/tasks.ts';
import type { Row, Table } from './table.ts';

/** The tables of a run: latency at each shape, the fastest first, and accuracy, the best first. */
export function tablesOf({ environment, results }: Run): Table[] {
  const latencies = results.filter((result): result is LatencyResult => result.kind === 'latency' && result.shape.length > 0);
  const scalings = results.filter((result): result is ScalingResult => result.kind === 'scaling');
  const accuracies = results.filter((result): result is AccuracyResult => result.kind === 'accuracy');
  const shapes = [...new Set(latencies.map(({ shape }) => shapeName(shape)))];
  const groups = shapes.map((name) => latencies.filter(({ shape }) => shapeName(shape) === name));
  const bySize = groups.toSorted((a, b) => sizeOf(b[0].shape) - sizeOf(a[0].shape));
  const byTask = TASKS.map((task) => accuracies.filter((result) => result.task === task)).filter((rows) => rows.length > 0);
  const absent = results.filter((result) => result.kind === 'latency' && result.shape.length === 0);
  return [
    ...(absent.length > 0 ? [absentTable(absent)] : []),
    ...bySize.map((rows, i) => latencyTable(rows, environment, i === 0 ? LATENCY_NOTES : [])),
    ...(scalings.length > 0 ? [scalingTable(scalings, environment)] : []),
    ...byTask.map((rows) => accuracyTable(rows, environment)),
  ];
}

type Device = Pick<Environment, 'backend' | 'device' | 'software' | 'threads'> & Partial<Pick<Environment, 'browser'>>;

/** One line on what was measured on; software adapters are named as such. */
export function deviceLine({ backend, device, software, threads, browser }: Device): string {
  const where = browser ? ` in ${browser}` : '';
  const many = threads > 1 ? `, ${threads} threads` : '';
  return `${backend} on ${device}${many}${where}${software ? ' – SOFTWARE adapter: timings say nothing about a GPU' : ''}`;
}

/** Several runs side by side: milliseconds, and how many times faster than the baseline. */
export function comparisonTable(runs: readonly Run[]): Table {
  const rows = new Map<string, string[]>();
  runs.forEach(({ results }, run) => {
    for (const result of results) {
      if (result.kind !== 'latency') continue;
      const key = `${result.block} ${shapeName(result.shape)}`;
      const cells = rows.get(key) ?? runs.map(() => NONE);
      cells[run] = result.error ? 'failed' : `${significant(result.medianMs)} (${timesFaster(result)})`;
      rows.set(key, cells);
    }
  });
  return {
    title: 'Latency side by side',
    notes: ['Median milliseconds a forward; in brackets, how many times faster than the plain form.'],
    columns: ['block', ...runs.map(({ environment }, i) => `${i + 1}: ${deviceLine(environment)}`)],
    rows: Array.from(rows, ([name, cells]) => [name].concat(cells)),
  };
}

function absentTable(results: readonly Result[]): Table {
  return {
    title: 'Not measured',
    notes: [],
    columns: ['package', 'reason'],
    rows: results.map(({ block, error }) => ({ name: block, instead: error ?? NONE })),
  };
}

const LATENCY_NOTES = [
  'Times in ms a forward. "×plain": how many times faster than the plain form, ≥ 1 is faster, with its 95 % interval; pairs of samples taken in turns.',
  'In brackets, the plain form. "first": the first run, compilation included. MB: 10⁶ bytes; "moved" counts what kernels read and write, on WebGPU their dispatches; "peak" is memory growth.',
  '"copy %": bytes moved a second, of what copying a large tensor moves here; more than 100 where maps stay in caches.',
];

function latencyTable(results: readonly LatencyResult[], environment: Environment, notes: readonly string[]): Table {
  const peers = [...new Set(results.flatMap((result) => Object.keys(result.peers ?? {})))];
  const columns = peers.flatMap((peer) => peerColumns(results, peer));
  return {
    title: `Latency at ${shapeName(results[0].shape)}, ${deviceLine(environment)}`,
    notes: [
      ...notes,
      ...peers.flatMap((peer) => peerNotes(results, peer)),
      ...results.flatMap(({ block, baselineRefused }) => (baselineRefused ? [`Plain form of ${block} ${baselineRefused}.`] : [])),
    ],
    columns: [
      'block',
      'median',
      'p95',
      'first',
      'plain',
      '×plain',
      '95 %',
      ...columns.map(({ head }) => head),
      'kernels',
      ...(onWebGpu(environment) ? ['dispatches'] : []),
      'moved MB',
      'copy %',
      'peak MB',
      'params',
      'M mult-adds',
    ],
    rows: sorted(results, (result) => result.medianMs!).map((result) => latencyRow(result, columns, environment)),
  };
}

function latencyRow(result: LatencyResult, columns: readonly Column[], environment: Environment): Row {
  if (result.error) return { name: result.block, instead: result.error };
  const beside = (ours: string, plain: string) => (result.baselineRefused ? ours : `${ours} (${plain})`);
  return [
    result.block,
    significant(result.medianMs),
    significant(result.p95Ms),
    significant(result.firstRunMs),
    significant(result.baselineMedianMs),
    timesFaster(result),
    intervalOf(result),
    ...columns.map(({ cell }) => cell(result)),
    beside(whole(result.kernels), whole(result.baselineKernels)),
    ...(onWebGpu(environment) ? [beside(whole(result.dispatches), whole(result.baselineDispatches))] : []),
    beside(mega(result.bytesMoved), mega(result.baselineBytesMoved)),
    copyShare(result, environment),
    mega(result.peakBytes),
    whole(result.params),
    mega(result.macs),
  ];
}

interface Column {
  readonly head: string;
  readonly cell: (result: LatencyResult) => string;
}

/** How much faster than another library, by its name. */
function peerColumns(results: readonly LatencyResult[], name: string): Column[] {
  const peerOf = ({ peers }: LatencyResult): PeerResult => peers?.[name] ?? {};
  const added: Column = { head: 'added', cell: (result) => timesFaster({ ratio: peerOf(result).addedRatio }) };
  return [
    { head: `×${name}`, cell: (result) => (peerOf(result).error === undefined ? timesFaster(peerOf(result)) : 'failed') },
    { head: '95 %', cell: (result) => intervalOf(peerOf(result)) },
    ...(results.some((result) => peerOf(result).addedRatio !== undefined) ? [added] : []),
  ];
}

function peerNotes(results: readonly LatencyResult[], name: string): string[] {
  const measured = results.find(({ peers }) => peers?.[name]?.version)?.peers?.[name];
  const added =
    measured?.addedRatio === undefined ? '' : '; "added": than what the second of two in a row adds to a call, without the copies of maps';
  const failures = results.flatMap(({ block, peers }) => (peers?.[name]?.error ? [`${name} with ${block}: ${peers[name].error}.`] : []));
  return [...(measured ? [`"×${name}": how many times faster than a call of ${measured.version}${added}.`] : []), ...failures];
}

function intervalOf({ ratioCi95 }: Pick<LatencyResult, 'ratioCi95'>): string {
  return ratioCi95 ? ratioCi95.map((value) => value.toFixed(2)).join('–') : NONE;
}

/** Elsewhere there are no dispatches to count. */
function onWebGpu({ backend }: Environment): boolean {
  return backend === 'webgpu';
}

/** The bytes moved a second, as a percentage of what a copy moves. */
function copyShare({ bytesMoved, medianMs }: LatencyResult, { copyBytesPerSecond }: Environment): string {
  if (bytesMoved === undefined || !medianMs || copyBytesPerSecond === null) return NONE;
  return ((100 * bytesMoved) / (medianMs / 1000) / copyBytesPerSecond).toFixed(0);
}

function scalingTable(results: readonly ScalingResult[], environment: Environment): Table {
  const shapes = [...new Map(results.flatMap(({ points }) => points.map(({ shape }) => [shapeName(shape), shape]))).values()];
  const rising = shapes.toSorted((a, b) => sizeOf(a) - sizeOf(b));
  return {
    title: `Growth with N, the number of positions, ${deviceLine(environment)}`,
    notes: [
      'Exponents of N, fitted on logarithmic scales: of the median time with its 95 % interval, and of what the block counts and moves over the same maps.',
      'Then the median time in ms, and the peak memory in MB, at each map. What each forward costs whatever the map keeps the exponents of small blocks down.',
    ],
    columns: ['block', 'time', '95 %', 'mult-adds', 'moved', 'peak', ...rising.map((shape) => `${shapeName(shape)} ms (MB)`)],
    rows: sorted(results, ({ timeExponent }) => timeExponent ?? Infinity).map((result) => scalingRow(result, rising.map(shapeName))),
  };
}

function scalingRow(result: ScalingResult, shapes: readonly string[]): Row {
  const { block, error, points, timeExponent, timeExponentCi95, macsExponent, bytesMovedExponent, peakBytesExponent } = result;
  if (error) return { name: block, instead: error };
  const exponent = (value: number | null) => value?.toFixed(2) ?? NONE;
  return [
    block,
    exponent(timeExponent),
    timeExponentCi95?.map(exponent).join('–') ?? NONE,
    exponent(macsExponent),
    exponent(bytesMovedExponent),
    exponent(peakBytesExponent),
    ...shapes.map((name) => {
      const point = points.find(({ shape }) => shapeName(shape) === name);
      return point ? `${significant(point.medianMs)} (${mega(point.peakBytes)})` : NONE;
    }),
  ];
}

function accuracyTable(results: readonly AccuracyResult[], environment: Environment): Table {
  const plain = results.find((result) => result.package === null);
  const { task, epochs } = results[0];
  const { metric } = tasks[task];
  return {
    title: `Task ${task}: ${metric} of a small residual network, ${deviceLine(environment)}`,
    notes: [
      `${environment.data}, ${epochs} epoch${epochs === 1 ? '' : 's'}. Test ${metric} in %, the mean over seeds ± half of its 95 % interval; "gain" over the network without a block, in percentage points.`,
      'Training time in ms a step; "added" parameters over the network without a block.',
    ],
    columns: ['block', metric, '±', 'gain', 'seeds', 'step', 'params', 'added'],
    rows: sorted(results, (result) => -result.accuracyMean!).map((result) => accuracyRow(result, plain)),
  };
}

function accuracyRow(result: AccuracyResult, plain: AccuracyResult | undefined): Row {
  const { block, accuracyMean, accuracyCi95, stepMs, params, samples, error } = result;
  if (error) return { name: block, instead: error };
  const comparable = plain !== result && plain?.accuracyMean !== undefined && plain.params !== undefined;
  const gain = comparable ? 100 * (accuracyMean! - plain.accuracyMean!) : null;
  return [
    block,
    percent(accuracyMean),
    percent(accuracyCi95),
    gain === null ? NONE : `${gain > 0 ? '+' : ''}${gain.toFixed(1)}`,
    whole(samples!.length),
    significant(stepMs),
    whole(params),
    comparable ? whole(params! - plain.params!) : NONE,
  ];
}

function timesFaster({ ratio }: Pick<LatencyResult, 'ratio'>): string {
  return ratio === undefined ? NONE : ratio.toFixed(2);
}

/** In rising order of a figure; those that have none, because they failed, last. */
function sorted<T extends Result>(results: readonly T[], figure: (result: T) => number): T[] {
  const failed = results.filter(({ error }) => error !== undefined);
  const measured = results.filter(({ error }) => error === undefined);
  return [...measured.toSorted((a, b) => figure(a) - figure(b)), ...failed];
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
