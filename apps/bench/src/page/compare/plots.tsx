import * as Plot from '@observablehq/plot';
import { useMemo } from 'preact/hooks';
import { powerName, significant } from '../../report/format.ts';
import { against, shown } from '../state.ts';
import { axisX, axisY, Chart, labels, logScale, NARROW, shortened, widthOf } from './chart.tsx';
import { scalingsOf, shape, task } from './selection.ts';
import { accuracyWithout, growth, measuredAt, sizedTimes, tradeoffs, type Measured, type Series, type SizedTime, type Tradeoff } from './series.ts';

/** Colours of blocks, told apart in light and in dark. */
const BLOCK_COLORS = Array.from({ length: 8 }, (_, i) => `var(--block-${i + 1})`);
/** Plot's own letters are too small to read with ease. */
const STYLE = { style: { fontSize: '12px' } };
const QUIET = { fill: 'var(--quiet)', stroke: 'var(--paper)', strokeWidth: 3 };
const ROW = { wide: 24, narrow: 40 };

/** The plots of the run that is shown, with the one that it is compared with. */
export function Plots() {
  const series = useSeries();
  return (
    <section class="plots">
      <h2>Plots</h2>
      {series.length > 1 && (
        <p>
          <span class="swatch A" aria-hidden="true" /> A <span class="swatch B" aria-hidden="true" /> B
        </p>
      )}
      {shape.value && task.value && <TradeoffPlot series={series} shape={shape.value} task={task.value} />}
      {(shape.value || hasScaling(series)) && <GrowthPlot series={series} />}
      {shape.value && <RatioPlot series={series} shape={shape.value} />}
      {shape.value && <SpreadPlot series={series} shape={shape.value} />}
    </section>
  );
}

interface PlotProps {
  readonly series: readonly Series[];
  readonly shape: string;
}

function useSeries(): readonly Series[] {
  const [a, b] = [shown.value?.run, against.value?.run];
  return useMemo(
    () => [...(a ? [{ name: 'A' as const, run: a, color: 'var(--a)' }] : []), ...(b ? [{ name: 'B' as const, run: b, color: 'var(--b)' }] : [])],
    [a, b],
  );
}

function TradeoffPlot({ series, shape, task }: PlotProps & { task: string }) {
  const points = useMemo(() => series.flatMap((one) => tradeoffs(one, shape, task)), [series, shape, task]);
  const draw = useMemo(() => (width: number) => drawTradeoff(points, series, shape, task, width), [points, series, shape, task]);
  if (points.length === 0)
    return (
      <p class="quiet">
        Latency against accuracy: no block has both, at {shape} and on {task}.
      </p>
    );
  const fronts = series.map(({ name }) => {
    const front = points.filter((point) => point.series.name === name && point.onFront);
    const list = front.map(({ block, ms, accuracy }) => `${block} (${significant(ms)} ms, ${accuracy.toFixed(1)} %)`).join(', ');
    return front.length > 0 ? `${series.length > 1 ? `${name}: ` : ''}${list}.` : '';
  });
  return (
    <Chart
      title={`Latency against accuracy on ${task}, at ${shape}`}
      summary={`On the Pareto front, where no other block is faster and more accurate: ${fronts.join(' ')} Vertical lines are 95 % intervals over seeds.`}
      draw={draw}
    />
  );
}

function drawTradeoff(points: readonly Tradeoff[], series: readonly Series[], shape: string, task: string, width: number): Element {
  const plain = series.flatMap(({ run, color }) => {
    const accuracy = accuracyWithout(run, task);
    return accuracy === null ? [] : [{ accuracy, color }];
  });
  const size = sizeFor(width);
  const marginRight = roomFor(points, width);
  const x = logScale(
    points.map(({ ms }) => ms),
    width - marginRight,
  );
  const color = (point: Tradeoff) => point.series.color;
  // Names on the front have the first choice of a place.
  const [front, rest] = [true, false].map((on) => points.filter(({ onFront, series }) => onFront === on && series === points[0].series));
  const named = rest.length <= 15 ? [...front, ...rest] : front;
  return Plot.plot({
    ...STYLE,
    width,
    height: Math.max(300, Math.min(440, width * 0.62)),
    marginRight,
    marginBottom: 48,
    x: x.scale,
    y: { label: '↑ test accuracy, %', nice: true, grid: true },
    marks: [
      axisX(x.ticks, 'milliseconds a forward →'),
      Plot.ruleY(plain, { y: 'accuracy', stroke: 'color', strokeDasharray: '2 4' }),
      Plot.text(plain.slice(0, 1), {
        y: 'accuracy',
        frameAnchor: 'right',
        text: () => 'without a block',
        textAnchor: 'end',
        dx: -4,
        dy: -8,
        ...QUIET,
      }),
      Plot.ruleX(points, { x: 'ms', y1: 'low', y2: 'high', stroke: color, strokeOpacity: 0.35 }),
      // From A to B.
      Plot.line(points, { x: 'ms', y: 'accuracy', z: 'block', stroke: 'var(--edge)', strokeOpacity: 0.6, strokeWidth: 1 }),
      ...series.map((one) =>
        Plot.line(
          points.filter((point) => point.series === one && point.onFront),
          { x: 'ms', y: 'accuracy', stroke: one.color, strokeWidth: 1.5, curve: 'step-after' },
        ),
      ),
      labels(named, {
        x: 'ms',
        y: 'accuracy',
        text: blockName,
        fill: 'currentColor',
        size,
        places: [0.8, -0.8, 0, 1.6, -1.6],
      }),
      Plot.dot(points, {
        x: 'ms',
        y: 'accuracy',
        stroke: color,
        fill: (point: Tradeoff) => (point.onFront ? point.series.color : 'var(--paper)'),
        r: 4,
      }),
      tip(points, {
        x: 'ms',
        y: 'accuracy',
        title: (point: Tradeoff) =>
          `${nameOf(point, series)}\n${significant(point.ms)} ms at ${shape}\n${point.accuracy.toFixed(1)} %${point.high > point.low ? ` (${point.low.toFixed(1)}–${point.high.toFixed(1)})` : ''}`,
      }),
    ],
  });
}

function GrowthPlot({ series }: Pick<PlotProps, 'series'>) {
  const times = useMemo(() => linesOf(series), [series]);
  const draw = useMemo(() => (width: number) => drawGrowth(times, series, width), [times, series]);
  if (times.lines.length === 0) {
    return <p class="quiet">Latency against map size: no block was timed at two sizes. Choose the shapes “Growing map” to see how time grows.</p>;
  }
  const exponents = times.lines
    .filter((line) => line[0].series === times.lines[0][0].series)
    .map((line) => `${line[0].block} ${fitOf(line)}`)
    .join(', ');
  return (
    <Chart
      title="Latency against map size"
      summary={
        times.sameChannels
          ? `Both axes are logarithmic: what grows with N, the number of positions, has the slope of the line N; what attends among all pairs comes near N². Fitted: ${exponents}.`
          : 'Both axes are logarithmic. Channels change along with the maps, so that slopes do not show what N alone does: choose the shapes “Growing map” for that.'
      }
      draw={draw}
    />
  );
}

/** The power that a line's time grows with, its 95 % interval, and what the block's multiply-adds grow with over the same maps. */
function fitOf(line: readonly SizedTime[]): string {
  const { exponent, ci95 } = growth(line)!;
  const { block, series } = line[0];
  const macs = scalingsOf(series.run).find((result) => result.block === block)?.macsExponent;
  const more = [
    ...(ci95 ? [ci95.map((end) => end.toFixed(2)).join('–')] : []),
    ...(macs === null || macs === undefined ? [] : [`multiply-adds ${powerName(macs)}`]),
  ];
  return `${powerName(exponent)}${more.length > 0 ? ` (${more.join('; ')})` : ''}`;
}

function hasScaling(series: readonly Series[]): boolean {
  return series.some(({ run }) => scalingsOf(run).length > 0);
}

interface Growth {
  readonly lines: readonly SizedTime[][];
  readonly sameChannels: boolean;
}

/** Each block's times by size: where it was timed at several sizes with the same channels those, and else all. */
function linesOf(series: readonly Series[]): Growth {
  const times = series.flatMap(sizedTimes);
  const grow = (keyOf: (time: SizedTime) => string) =>
    [...Map.groupBy(times, keyOf).values()]
      .map((line) => line.toSorted((a, b) => a.positions - b.positions))
      .filter((line) => line[0].positions < line.at(-1)!.positions);
  const alike = grow(({ series, block, channels }) => `${series.name} ${block} ${channels}`);
  return alike.length > 0
    ? { lines: alike, sameChannels: true }
    : { lines: grow(({ series, block }) => `${series.name} ${block}`), sameChannels: false };
}

function drawGrowth({ lines, sameChannels }: Growth, series: readonly Series[], width: number): Element {
  const times = lines.flat();
  const ms = times.map((time) => time.ms);
  const positions = times.map((time) => time.positions);
  const blocks = [...new Set(times.map(({ block }) => block))];
  const few = blocks.length <= BLOCK_COLORS.length;
  const color = ({ block, series: { color } }: SizedTime) => (few ? BLOCK_COLORS[blocks.indexOf(block)] : color);
  const size = sizeFor(width);
  const marginRight = roomFor(times, width);
  // From the top down, as names are placed.
  const ends = lines
    .filter((line) => line[0].series === lines[0][0].series)
    .map((line) => line.at(-1)!)
    .toSorted((a, b) => b.ms - a.ms);
  const sizes = [...new Set(positions)];
  const height = Math.max(340, Math.min(520, width * 0.68));
  const x = logScale(positions, width - marginRight);
  const y = logScale(ms, height);
  return Plot.plot({
    ...STYLE,
    width,
    height,
    marginRight,
    marginLeft: 48,
    marginBottom: 48,
    x: x.scale,
    y: y.scale,
    marks: [
      axisX(sizes.length <= 6 ? sizes : x.ticks, 'positions of the map, N = height × width →'),
      axisY(y.ticks, '↑ milliseconds a forward'),
      sameChannels ? guides(positions, ms) : [],
      ...lines.map((line) =>
        Plot.line(line, {
          x: 'positions',
          y: 'ms',
          stroke: color(line[0]),
          strokeWidth: few ? 1.75 : 1,
          ...(line[0].series.name === 'B' && { strokeDasharray: '5 3' }),
        }),
      ),
      Plot.dot(times, { x: 'positions', y: 'ms', fill: color, r: 2.5 }),
      labels(ends, { x: 'positions', y: 'ms', text: blockName, fill: few ? color : 'currentColor', size, places: [0, 0.5, 1, 1.5, 2, 2.5, 3] }),
      tip(times, {
        x: 'positions',
        y: 'ms',
        title: (time: SizedTime) => `${nameOf(time, series)}\n${significant(time.ms)} ms at ${time.shape}`,
      }),
    ],
  });
}

/** The slopes of N, N√N and N², from the lower left as far as they stay within the plot. */
function guides(positions: readonly number[], ms: readonly number[]): Plot.Markish[] {
  const [x, y] = [Math.min(...positions), Math.min(...ms)];
  return [1, 1.5, 2].flatMap((power) => {
    const end = Math.min(Math.max(...positions), x * (Math.max(...ms) / y) ** (1 / power));
    const line = [
      { n: x, ms: y },
      { n: end, ms: y * (end / x) ** power },
    ];
    return [
      Plot.line(line, { x: 'n', y: 'ms', stroke: 'var(--quiet)', strokeDasharray: '1 4' }),
      Plot.text(line.slice(1), {
        x: 'n',
        y: 'ms',
        text: () => ({ 1: 'N', 1.5: 'N√N', 2: 'N²' })[power],
        ...QUIET,
        dx: -14,
        dy: -8,
        fontStyle: 'italic',
      }),
    ];
  });
}

interface Ratio {
  readonly series: Series;
  readonly block: string;
  readonly ratio: number;
  /** Its 95 % interval; where there are too few samples for one, the ratio itself. */
  readonly low: number;
  readonly high: number;
  readonly hasInterval: boolean;
}

function RatioPlot({ series, shape }: PlotProps) {
  const ratios = useMemo(() => series.flatMap((one) => ratiosOf(one, shape)), [series, shape]);
  const draw = useMemo(() => (width: number) => drawRatios(ratios, series, width), [ratios, series]);
  if (ratios.length === 0) return <p class="quiet">Ratio to the plain form: none was measured at {shape}.</p>;
  const own = ratios.filter((ratio) => ratio.series === ratios[0].series).toSorted((a, b) => b.ratio - a.ratio);
  const sure = own.filter(({ hasInterval }) => hasInterval);
  const [faster, slower] = [sure.filter(({ low }) => low > 1).length, sure.filter(({ high }) => high < 1).length];
  const verdict =
    sure.length === 0
      ? 'Too few samples to tell from the noise; give it more time'
      : `${faster} of ${sure.length} are faster than their plain form beyond the noise, ${slower} slower`;
  const [most, least] = [own[0], own.at(-1)!];
  return (
    <Chart
      title={`Times faster than the plain form, at ${shape}`}
      summary={`${verdict}: from ${least.block} (${least.ratio.toFixed(2)}) to ${most.block} (${most.ratio.toFixed(2)}). Lines are 95 % intervals.`}
      draw={draw}
    />
  );
}

function ratiosOf(series: Series, shape: string): Ratio[] {
  return measuredAt(series.run, shape).flatMap(({ block, ratio, ratioCi95 }) =>
    ratio === undefined
      ? []
      : [{ series, block, ratio, low: ratioCi95?.[0] ?? ratio, high: ratioCi95?.[1] ?? ratio, hasInterval: Boolean(ratioCi95) }],
  );
}

function drawRatios(ratios: readonly Ratio[], series: readonly Series[], width: number): Element {
  return rowPlot({
    width,
    blocks: orderOf(ratios, ({ ratio }) => -ratio),
    x: logScale([1, ...ratios.flatMap(({ low, high }) => [low, high])], width),
    label: 'times faster than the plain form →',
    marks: [
      Plot.ruleX([1], { stroke: 'currentColor', strokeWidth: 1.5 }),
      ...series.map((one) => {
        const own = ratios.filter((ratio) => ratio.series === one);
        const dy = offsetOf(one, series);
        return [
          Plot.ruleY(own, { y: 'block', x1: 'low', x2: 'high', stroke: one.color, strokeWidth: 2, dy }),
          Plot.dot(own, { y: 'block', x: 'ratio', fill: one.color, r: 4, dy }),
        ];
      }),
      tip(ratios, {
        x: 'ratio',
        y: 'block',
        title: (ratio: Ratio) =>
          `${nameOf(ratio, series)}\n${ratio.ratio.toFixed(2)} times${ratio.hasInterval ? ` (${ratio.low.toFixed(2)}–${ratio.high.toFixed(2)})` : ''}`,
      }),
    ],
  });
}

interface Sample {
  readonly series: Series;
  readonly block: string;
  readonly ms: number;
}

function SpreadPlot({ series, shape }: PlotProps) {
  const results = useMemo(
    () => series.map((one) => ({ one, measured: measuredAt(one.run, shape).filter(({ samples }) => samples?.length) })),
    [series, shape],
  );
  const draw = useMemo(() => (width: number) => drawSpread(results, width), [results]);
  const own = results[0].measured;
  if (own.length === 0) return <p class="quiet">Spread of the samples: there are none at {shape}.</p>;
  const widest = own.map(({ block, p95Ms = 0, medianMs }) => ({ block, spread: p95Ms / medianMs })).toSorted((a, b) => b.spread - a.spread)[0];
  return (
    <Chart
      title={`Spread of the samples, at ${shape}`}
      summary={`Each line is a sample, the bar their median. The widest is ${widest.block}, whose 95th percentile is ${widest.spread.toFixed(2)} times its median.`}
      draw={draw}
    />
  );
}

function drawSpread(results: readonly { one: Series; measured: readonly Measured[] }[], width: number): Element {
  const samples: Sample[] = results.flatMap(({ one, measured }) =>
    measured.flatMap(({ block, samples = [] }) => samples.filter((ms) => ms > 0).map((ms) => ({ series: one, block, ms }))),
  );
  const series = results.map(({ one }) => one);
  const half = series.length > 1 ? 4 : 7;
  return rowPlot({
    width,
    blocks: orderOf(
      results.flatMap(({ measured }) => measured),
      ({ medianMs }) => medianMs,
    ),
    x: logScale(
      samples.map(({ ms }) => ms),
      width,
    ),
    label: 'milliseconds a forward →',
    marks: results.map(({ one, measured }) => {
      const dy = offsetOf(one, series);
      const marks = { y: 'block', stroke: one.color, dy, shape: strokeShape, anchor: 'middle' } as const;
      return [
        Plot.vector(
          samples.filter((sample) => sample.series === one),
          { ...marks, x: 'ms', length: 2 * half, strokeOpacity: 0.4, strokeWidth: 1 },
        ),
        Plot.vector([...measured], { ...marks, x: 'medianMs', length: 2 * half + 4, strokeWidth: 3 }),
      ];
    }),
  });
}

/** The size of names within a plot. */
function sizeFor(width: number): number {
  return width < NARROW ? 10 : 12;
}

/** Room for names to the right of marks. */
function roomFor(marks: readonly { readonly block: string }[], width: number): number {
  return Math.min(0.36 * width, 14 + Math.max(...marks.map(({ block }) => widthOf(block, sizeFor(width)))));
}

interface Rows {
  readonly width: number;
  readonly blocks: readonly string[];
  readonly x: ReturnType<typeof logScale>;
  readonly label: string;
  readonly marks: readonly Plot.Markish[];
}

/** A plot of a row for each block, whose name stands before it, or above it where there is no room. */
function rowPlot({ width, blocks, x: { scale, ticks }, label, marks }: Rows): Element {
  const narrow = width < NARROW;
  const longest = Math.max(...blocks.map((name) => widthOf(shortened(name))));
  const names = Plot.text(blocks, { y: (name: string) => name, text: shortened, frameAnchor: 'left', textAnchor: 'start', dy: -15 });
  return Plot.plot({
    ...STYLE,
    width,
    height: blocks.length * (narrow ? ROW.narrow : ROW.wide) + 60,
    marginLeft: narrow ? 8 : 14 + longest,
    marginRight: 16,
    marginBottom: 48,
    x: scale,
    y: { type: 'point', domain: blocks, padding: narrow ? 0.8 : 0.6, axis: narrow ? null : 'left', label: null, tickSize: 0, tickFormat: shortened },
    marks: [Plot.gridX(ticks), axisX(ticks, label), ...marks, narrow ? names : []],
  });
}

function tip(data: Plot.Data, options: Plot.TipOptions): Plot.Markish {
  return Plot.tip(data, Plot.pointer({ ...options, fill: 'var(--raised)', stroke: 'var(--line)' }));
}

/** Two runs share a row, one above the other. */
function offsetOf(one: Series, series: readonly Series[]): number {
  if (series.length === 1) return 0;
  return one.name === 'A' ? -5 : 5;
}

/** Blocks in rising order of a figure: of A's, and then those that B alone has. */
function orderOf<T extends { readonly block: string }>(rows: readonly T[], figure: (row: T) => number): string[] {
  const first = new Map<string, number>();
  for (const row of rows) if (!first.has(row.block)) first.set(row.block, figure(row));
  return [...first.keys()].toSorted((a, b) => first.get(a)! - first.get(b)!);
}

function blockName({ block }: { block: string }): string {
  return shortened(block);
}

function nameOf({ block, series: { name } }: { block: string; series: Series }, series: readonly Series[]): string {
  return series.length > 1 ? `${block}, ${name}` : block;
}

/** A stroke of a vector's length. Plot's own tick is as high as its row, which two runs share. */
const strokeShape: Plot.VectorShapeImplementation = {
  draw(context, length) {
    context.moveTo(0, 0);
    context.lineTo(0, -length);
  },
};
