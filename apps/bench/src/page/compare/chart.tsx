import * as Plot from '@observablehq/plot';
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';

interface LabelOptions extends Plot.TextOptions {
  readonly dx?: number;
  readonly size?: number;
  /** Where a label may lie: so many lines below its point, the best first. */
  readonly places?: readonly number[];
}

interface ChartProps {
  readonly title: string;
  /** What the plot shows, in words: for those who do not see it, and for all others. */
  readonly summary: string;
  /** Draws it so many pixels wide. */
  readonly draw: (width: number) => Element;
}

/** A plot with its title and its message; drawn anew where its container changes its width. */
export function Chart({ title, summary, draw }: ChartProps) {
  const container = useRef<HTMLDivElement>(null);
  const width = useSignal(0);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => (width.value = Math.floor(entry.contentRect.width)));
    observer.observe(container.current!);
    return () => observer.disconnect();
  }, [width]);
  const pixels = width.value;
  useEffect(() => {
    if (pixels > 0) container.current!.replaceChildren(draw(pixels));
  }, [draw, pixels]);
  return (
    <figure class="chart">
      <figcaption>
        <h3>{title}</h3>
        <p>{summary}</p>
      </figcaption>
      <div ref={container} role="img" aria-label={`${title}. ${summary}`} />
    </figure>
  );
}

/** Below this width a plot has no room for names beside its marks. */
export const NARROW = 560;

/** A logarithmic scale over values, and ticks for its axis: at round values, and no more than fit. */
export function logScale(values: readonly number[], pixels: number): { scale: Plot.ScaleOptions; ticks: number[] } {
  const most = Math.max(3, Math.floor(pixels / 70));
  const least = Math.min(...values);
  const largest = Math.max(...values);
  const margin = Math.max(1.06, (largest / least) ** 0.05);
  const domain = [least / margin, largest * margin];
  const decades = Array.from({ length: 40 }, (_, i) => i - 20);
  const tenths = Array.from({ length: 90 }, (_, i) => 1 + i / 10);
  const candidates = [[1], [1, 3], [1, 2, 5], [1, 1.5, 2, 3, 5, 7], tenths].map((steps) =>
    decades
      .flatMap((decade) => steps.map((step) => Number((step * 10 ** decade).toPrecision(3))))
      .filter((tick) => tick >= domain[0] && tick <= domain[1]),
  );
  return { scale: { type: 'log', domain }, ticks: candidates.findLast(({ length }) => length > 0 && length <= most) ?? [] };
}

/** A horizontal axis that names all of its ticks. Plot's own leaves names away on a logarithmic scale. */
export function axisX(ticks: readonly number[], label: string): Plot.Markish {
  return Plot.axisX([...ticks], { text: (tick: number) => String(tick), label, labelOffset: 42 });
}

/** As {@link axisX}, upright, with lines across the plot. */
export function axisY(ticks: readonly number[], label: string): Plot.Markish[] {
  return [Plot.gridY([...ticks]), Plot.axisY([...ticks], { text: (tick: number) => String(tick), label })];
}

/** About how many pixels a text is wide, in letters of a size. */
export function widthOf(text: string, size = 12): number {
  return text.length * size * 0.6;
}

/** A name as a plot has room for: those of files may be of any length. */
export function shortened(name: string): string {
  return name.length > 40 ? `${name.slice(0, 39)}…` : name;
}

/** Text beside points, moved up or down where it would lie on other text, and left away where there is no room at all. */
export function labels(data: Plot.Data, { dx = 8, size = 12, places = [0], ...options }: LabelOptions): Plot.Text {
  const look = { dx, fontSize: size, textAnchor: 'start', lineAnchor: 'middle', stroke: 'var(--paper)', strokeWidth: 3 } as const;
  return Plot.text(
    data,
    Plot.initializer({ ...options, ...look }, (data, facets, channels, scales, { width }) => {
      const xs = Array.from(channels['x']!.value as number[], (value) => Number(scales.x!(value)));
      const ys = Array.from(channels['y']!.value as number[], (value) => Number(scales.y!(value)));
      const texts = channels['text']!.value as string[];
      const taken: { left: number; right: number; y: number }[] = [];
      const isFree = (left: number, right: number, y: number) =>
        taken.every((other) => right < other.left || left > other.right || Math.abs(y - other.y) >= size + 2);
      const place = (i: number) => {
        const room = widthOf(texts[i], size);
        const left = Math.min(xs[i], width - room - dx);
        const y = places.map((lines) => ys[i] + lines * (size + 2)).find((candidate) => isFree(left, left + room, candidate));
        if (y === undefined) return false;
        taken.push({ left, right: left + room, y });
        [xs[i], ys[i]] = [left, y];
        return true;
      };
      return { data, facets: facets.map((indices) => [...indices].filter(place)), channels: { x: { value: xs }, y: { value: ys } } };
    }),
  );
}
