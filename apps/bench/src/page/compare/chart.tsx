import * as Plot from '@observablehq/plot';
import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';

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

/** Ticks of a logarithmic axis, at round values and no more than fit. Plot's own would overlap where they are named as a reader expects. */
export function logAxis(
  values: readonly number[],
  width: number,
): { type: 'log'; domain: [number, number]; ticks: number[]; tickFormat: (value: number) => string } {
  const most = Math.max(3, Math.floor(width / 70));
  const least = Math.min(...values);
  const largest = Math.max(...values);
  const margin = Math.max(1.06, (largest / least) ** 0.05);
  const domain: [number, number] = [least / margin, largest * margin];
  const decades = Array.from({ length: 40 }, (_, i) => i - 20);
  const candidates = [[1], [1, 3], [1, 2, 5], [1, 1.5, 2, 3, 5, 7], Array.from({ length: 90 }, (_, i) => 1 + i / 10)].map((steps) =>
    decades
      .flatMap((decade) => steps.map((step) => Number((step * 10 ** decade).toPrecision(3))))
      .filter((tick) => tick >= domain[0] && tick <= domain[1]),
  );
  const ticks = candidates.findLast(({ length }) => length > 0 && length <= most) ?? [];
  return { type: 'log', domain, ticks, tickFormat: (value) => String(value) };
}

/** Text beside points, moved up or down where it would lie on other text, and left away where there is no room at all. */
export function labels(data: Plot.Data, { dx = 8, size = 11, ...options }: Plot.TextOptions & { dx?: number; size?: number }): Plot.Text {
  const height = size + 2;
  return Plot.text(
    data,
    Plot.initializer({ ...options, dx, fontSize: size, textAnchor: 'start', lineAnchor: 'middle' }, (data, facets, channels, scales) => {
      const xs = Array.from(channels['x']!.value as number[], (value) => Number(scales.x!(value)));
      const ys = Array.from(channels['y']!.value as number[], (value) => Number(scales.y!(value)));
      const texts = channels['text']!.value as string[];
      const placed: { left: number; right: number; y: number }[] = [];
      const kept = facets.map((indices) =>
        Array.from(indices).filter((i) => {
          const left = xs[i];
          const right = left + texts[i].length * size * 0.58;
          const isFree = (y: number) => placed.every((other) => right < other.left || left > other.right || Math.abs(y - other.y) >= height);
          const shift = [0, 0.5, -0.5, 1, -1, 1.5, -1.5, 2, -2].find((lines) => isFree(ys[i] + lines * height));
          if (shift === undefined) return false;
          ys[i] += shift * height;
          placed.push({ left, right, y: ys[i] });
          return true;
        }),
      );
      return { data, facets: kept, channels: { x: { value: xs }, y: { value: ys } } };
    }),
  );
}
