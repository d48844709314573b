import { useEffect, useMemo, useRef } from 'preact/hooks';
import { significant } from '../../report/format.ts';
import type { Grid } from '../../look/maps.ts';
import { heatColour, HEAT_GRADIENT, type Colour } from './colours.ts';
import { greyOf, type Picture } from './picture.ts';
import { inverted } from './state.ts';

/** Pixels of a canvas, whatever its size on the page. */
const SIZE = 384;

/** The values of a map, [height, width]. */
export interface Plane extends Grid {
  readonly values: Float32Array;
}

/** A position that is marked on a map. */
export interface Mark {
  readonly position: number;
  readonly text: string;
}

export type Range = readonly [low: number, high: number];

/** From the least to the largest value of maps that have their colours in common. */
export function rangeOf(planes: readonly Plane[]): Range {
  const ranges = planes.map(({ values }) => extent(values));
  return [Math.min(...ranges.map(([low]) => low)), Math.max(...ranges.map(([, high]) => high))];
}

/** From the least to the largest value. */
export function extent(values: Float32Array): Range {
  return values.reduce<Range>(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
}

/** What a map shows, in words. */
export function described({ values, width }: Plane): string {
  const [low, high] = extent(values);
  if (high - low <= 1e-6 * Math.max(Math.abs(high), Math.abs(low))) return `The same everywhere: ${significant(high)}.`;
  const at = values.indexOf(high);
  return `Strongest in row ${Math.floor(at / width) + 1}, column ${(at % width) + 1}: ${significant(high)}. Least: ${significant(low)}.`;
}

interface OverlayProps {
  readonly picture: Picture;
  /** The colours over the picture: one for each cell of a grid, or none. */
  readonly cells: (Grid & { readonly colourOf: (cell: number) => Colour | null }) | null;
  readonly opacity: number;
  readonly smooth?: boolean;
  /** Marked positions, of this grid. */
  readonly marks?: readonly Mark[];
  readonly grid?: Grid;
  readonly text: string;
}

/** A picture in grey with colours over it. */
export function Overlay({ picture, cells, opacity, smooth = false, marks = [], grid, text }: OverlayProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const isInverted = inverted.value;
  const grey = useMemo(() => greyOf(picture, isInverted), [picture, isInverted]);
  useEffect(() => {
    const ctx = canvas.current!.getContext('2d')!;
    ctx.globalAlpha = 1;
    ctx.imageSmoothingEnabled = picture.pixels === null;
    ctx.drawImage(grey, 0, 0, SIZE, SIZE);
    if (cells) {
      ctx.globalAlpha = opacity;
      ctx.imageSmoothingEnabled = smooth;
      ctx.imageSmoothingQuality = 'high';
      ctx.drawImage(coloured(cells), 0, 0, SIZE, SIZE);
      ctx.globalAlpha = 1;
    }
    if (grid) for (const mark of marks) drawMark(ctx, mark, grid);
  });
  return <canvas ref={canvas} width={SIZE} height={SIZE} role="img" aria-label={text} />;
}

interface HeatMapProps extends Omit<OverlayProps, 'cells' | 'text'> {
  readonly plane: Plane | null;
  readonly range: Range;
  readonly name: string;
}

/** A picture in grey with a map over it, in colours of its values. */
export function HeatMap({ plane, range: [low, high], name, ...rest }: HeatMapProps) {
  const scaled = (value: number) => (high > low ? (value - low) / (high - low) : 0);
  const cells = plane && { height: plane.height, width: plane.width, colourOf: (cell: number) => heatColour(scaled(plane.values[cell])) };
  return <Overlay {...rest} cells={cells} text={plane ? `${name}. ${described(plane)}` : `${name}: not computed yet`} />;
}

/** Which colours stand for which values. */
export function Legend({ range: [low, high] }: { range: Range }) {
  return (
    <p class="legend figure">
      <span>{significant(low)}</span>
      <span class="ramp" style={{ background: HEAT_GRADIENT }} />
      <span>{significant(high)}</span>
    </p>
  );
}

function coloured({ height, width, colourOf }: NonNullable<OverlayProps['cells']>): HTMLCanvasElement {
  const canvas = Object.assign(document.createElement('canvas'), { width, height });
  const image = new ImageData(width, height);
  for (let cell = 0; cell < width * height; cell++) {
    const colour = colourOf(cell);
    if (colour) image.data.set([...colour, 255], 4 * cell);
  }
  canvas.getContext('2d')!.putImageData(image, 0, 0);
  return canvas;
}

function drawMark(ctx: CanvasRenderingContext2D, { position, text }: Mark, { height, width }: Grid): void {
  const [w, h] = [SIZE / width, SIZE / height];
  const [x, y] = [(position % width) * w, Math.floor(position / width) * h];
  // Two lines, of which one is seen on any ground.
  for (const [colour, lineWidth] of [
    ['#000', 5],
    ['#fff', 2.5],
  ] as const) {
    ctx.strokeStyle = colour;
    ctx.lineWidth = lineWidth;
    ctx.strokeRect(x, y, w, h);
  }
  if (text === '') return;
  ctx.font = `700 ${Math.max(16, h * 0.75)}px system-ui, sans-serif`;
  ctx.textAlign = 'center';
  ctx.textBaseline = 'middle';
  ctx.lineWidth = 4;
  ctx.strokeStyle = '#000';
  ctx.strokeText(text, x + w / 2, y + h / 2);
  ctx.fillStyle = '#fff';
  ctx.fillText(text, x + w / 2, y + h / 2);
}
