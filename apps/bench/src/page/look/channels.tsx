import * as Plot from '@observablehq/plot';
import { useCallback, useEffect, useRef } from 'preact/hooks';
import type { AffinityMap, ChannelMap } from '../../look/maps.ts';
import { significant } from '../../report/format.ts';
import { Chart } from '../compare/chart.tsx';
import { heatColour } from './colours.ts';
import { extent, Legend } from './heat-map.tsx';
import { maps } from './state.ts';

/** The block's maps of channels. */
export function Channels() {
  return (
    <>
      {maps.value.map((map) => {
        if (map.kind === 'channel') return <Weights key={map.name} map={map} />;
        if (map.kind === 'affinity') return <Affinity key={map.name} map={map} />;
        return null;
      })}
    </>
  );
}

function Weights({ map: { rows } }: { map: ChannelMap }) {
  const weights = rows.flatMap((row, branch) => Array.from(row, (weight, channel) => ({ branch: branch + 1, channel: channel + 1, weight })));
  const [low, high] = extent(Float32Array.from(weights, ({ weight }) => weight));
  const draw = useCallback(
    (width: number) =>
      Plot.plot({
        width,
        height: rows.length > 1 ? 110 * rows.length : 190,
        marginLeft: 48,
        x: { type: 'band', label: 'Channel', ticks: [], padding: 0.15 },
        y: { label: 'Weight', nice: true, grid: true, ticks: 4, zero: true },
        fy: { label: 'Branch' },
        marks: [
          Plot.barY(weights, {
            x: 'channel',
            y: 'weight',
            ...(rows.length > 1 && { fy: 'branch' }),
            fill: 'var(--a)',
            title: ({ channel, weight }: { channel: number; weight: number }) => `Channel ${channel}: ${significant(weight)}`,
          }),
          Plot.ruleY([0], { stroke: 'currentColor' }),
        ],
      }),
    [rows],
  );
  const branches = rows.length > 1 ? ` in ${rows.length} branches` : '';
  return (
    <Chart
      title="Weights of the channels"
      summary={`${rows[0].length} channels${branches}, from ${significant(low)} to ${significant(high)}, in the order of the map.`}
      draw={draw}
    />
  );
}

function Affinity({ map: { channels, values } }: { map: AffinityMap }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [low, high] = extent(values);
  useEffect(() => {
    const image = new ImageData(channels, channels);
    values.forEach((value, i) => image.data.set([...heatColour(high > low ? (value - low) / (high - low) : 0), 255], 4 * i));
    canvas.current!.getContext('2d')!.putImageData(image, 0, 0);
  });
  return (
    <figure class="affinity">
      <figcaption>
        <h3>How much each channel takes of each other</h3>
        <p class="quiet">
          {channels}×{channels} channels: by row the one that takes, by column the one that it takes of.
        </p>
      </figcaption>
      <canvas ref={canvas} width={channels} height={channels} role="img" aria-label={`Weights from ${significant(low)} to ${significant(high)}`} />
      <Legend range={[low, high]} />
    </figure>
  );
}
