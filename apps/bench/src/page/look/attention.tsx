import { meanDistance, meanPlane, type Grid, type PlaneMap } from '../../look/maps.ts';
import { mean } from '../../engine/statistics.ts';
import { significant } from '../../report/format.ts';
import { Channels } from './channels.tsx';
import { described, HeatMap, Legend, rangeOf, type Mark, type Plane } from './heat-map.tsx';
import { opacity, picture, pinnedMaps, pins, place, planeIndex, planeMaps, query, shownMap, smooth, spreadMaps, viewer, mapName } from './state.ts';
import { chooseMap, choosePlace, repeat, togglePin } from './work.ts';

const STEPS: Readonly<Record<string, readonly [dx: number, dy: number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/** What maps are, by the names that blocks give them. */
const EXPLAINED: Readonly<Record<string, string>> = {
  reach: 'all loops together',
  query: 'what the query attends to',
  spatial: 'a weight for each position',
  gate: 'a gate for each position and channel',
  mask: 'a gate for each position and channel',
  calibration: 'a gate for each position and channel',
  height: 'weights along the height',
  width: 'weights along the width',
  row: 'which rows the query’s row attends to',
  column: 'which columns the query’s column attends to',
  gather: 'where each descriptor is gathered',
  distribute: 'where each descriptor is handed out',
};

/** The block's maps over the picture. */
export function Attention() {
  const here = place.value;
  const map = shownMap.value;
  if (!picture.value || !viewer.value) return null;
  if (!here) return <p class="quiet">This network has no block: there is no attention to show.</p>;
  return (
    <section class="attention" aria-labelledby="attention-title">
      <h2 id="attention-title">
        {viewer.value.provenance.block} <span class="quiet">attends to</span>
      </h2>
      <Choices />
      {map && <Interactive map={map} here={here} />}
      {map?.ofQuery && <Pins map={map} />}
      <Channels />
    </section>
  );
}

function Choices() {
  const { places, recurrence } = viewer.value!;
  const map = shownMap.value;
  return (
    <div class="bar choices">
      {places.length > 1 && (
        <label class="stacked">
          Place in the network
          <select value={places.indexOf(place.value!)} onChange={(event) => void choosePlace(Number(event.currentTarget.value))}>
            {places.map(({ height, width, channels }, index) => (
              <option key={index} value={index}>
                {index + 1} of {places.length}: {height}×{width}, {channels} channels
              </option>
            ))}
          </select>
        </label>
      )}
      {planeMaps.value.length > 0 && (
        <label class="stacked">
          Map
          <select value={mapName.value ?? ''} onChange={(event) => chooseMap(event.currentTarget.value)}>
            {planeMaps.value.map(({ name }) => (
              <option key={name} value={name}>
                {nameOf(name)}
              </option>
            ))}
          </select>
        </label>
      )}
      {map && map.planes.length > 1 && (
        <label class="stacked">
          {map.each[0].toUpperCase() + map.each.slice(1)}
          <select
            value={planeIndex.value ?? ''}
            onChange={(event) => (planeIndex.value = event.currentTarget.value === '' ? null : Number(event.currentTarget.value))}
          >
            <option value="">mean of {map.planes.length}</option>
            {map.planes.map((_, index) => (
              <option key={index} value={index}>
                {index + 1}
              </option>
            ))}
          </select>
        </label>
      )}
      {recurrence !== null && (
        <fieldset class="loops">
          <legend>Loops</legend>
          {[1, 2].map((times) => (
            <label key={times}>
              <input type="radio" name="loops" checked={recurrence === times} onChange={() => void repeat(times)} />
              {times}
            </label>
          ))}
        </fieldset>
      )}
    </div>
  );
}

/** The large map, on which queries are pointed at. */
function Interactive({ map, here }: { map: PlaneMap; here: Grid }) {
  const plane = planeOf(map);
  const range = rangeOf(map.ofQuery ? [plane, ...pinnedMaps.value.map(planeOf)] : [plane]);
  const marks: Mark[] = map.ofQuery ? [{ position: query.value, text: '' }, ...numbered(pins.value)] : [];
  const shown = (
    <HeatMap
      picture={picture.value!}
      plane={plane}
      range={range}
      opacity={opacity.value}
      smooth={smooth.value}
      marks={marks}
      grid={here}
      name={map.ofQuery ? `What ${positionName(query.value, here)} attends to` : nameOf(map.name)}
    />
  );
  const point = (event: PointerEvent | MouseEvent) => positionAt(event, here);
  return (
    <figure class="map large">
      {map.ofQuery ? (
        <div
          class="pointed"
          tabIndex={0}
          role="application"
          aria-roledescription="map of positions"
          aria-label={`Query: ${positionName(query.value, here)}. Arrow keys move it, Enter keeps it beside others, Escape lets go of all.`}
          onPointerMove={(event) => event.pointerType === 'mouse' && (query.value = point(event))}
          onClick={(event) => {
            query.value = point(event);
            togglePin(query.value);
          }}
          onKeyDown={(event) => onKey(event, here)}
        >
          {shown}
        </div>
      ) : (
        shown
      )}
      <Legend range={range} />
      <figcaption class="note" aria-live="polite">
        {map.ofQuery && `Query: ${positionName(query.value, here)}. `}
        {described(plane)}
        {map.ofQuery && <span class="keys"> Point at the picture; click or tap to keep up to four queries; or use the arrow keys and Enter.</span>}
      </figcaption>
    </figure>
  );
}

/** The maps of the queries that were kept, side by side, and how much they differ. */
function Pins({ map }: { map: PlaneMap }) {
  const kept = pinnedMaps.value.map(planeOf);
  const range = rangeOf([planeOf(map), ...kept]);
  return (
    <div class="pins">
      <Distances />
      {pins.value.length > 0 && (
        <ul>
          {pins.value.map((position, index) => (
            <li key={position}>
              <HeatMap
                picture={picture.value!}
                plane={kept[index] ?? null}
                range={range}
                opacity={opacity.value}
                smooth={smooth.value}
                marks={[{ position, text: '' }]}
                grid={place.value!}
                name={`What ${positionName(position, place.value!)} attends to`}
              />
              <button type="button" class="small" aria-label={`Let go of query ${index + 1}`} onClick={() => togglePin(position)}>
                {index + 1} ×
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

function Distances() {
  const distanceOf = (maps: readonly PlaneMap[]) => meanDistance(maps.map((map) => planeOf(map).values));
  const [kept, all] = [pinnedMaps.value, spreadMaps.value];
  const fromUniform = all.map((map) => meanDistance([planeOf(map).values, new Float32Array(map.height * map.width).fill(1)]));
  return (
    <div>
      <h3>How much it depends on the query</h3>
      <p aria-live="polite">
        Mean distance between the maps of {all.length > 1 ? `${all.length} queries` : 'queries'} all over the image:{' '}
        {all.length > 1 ? <strong class="figure">{distanceName(distanceOf(all))}</strong> : 'computing…'}
        {kept.length > 1 && (
          <>
            ; of the {kept.length} kept: <strong class="figure">{distanceName(distanceOf(kept))}</strong>
          </>
        )}
        {all.length > 1 && (
          <>
            ; from a map that is the same everywhere: <strong class="figure">{distanceName(mean(fromUniform))}</strong>
          </>
        )}
        .
      </p>
      <p class="note">
        Cosine distance, (1 − cos) / 2: 0 for the same map whatever the query, 0.5 for maps without a common position. By it{' '}
        <a href="https://arxiv.org/abs/1904.11492">GCNet</a> found that non-local blocks attend to nearly the same for all queries.
      </p>
    </div>
  );
}

function distanceName(distance: number): string {
  return distance < 1e-6 ? 'less than 0.000001' : significant(distance);
}

/** The plane of a map that was chosen, or the mean of all. */
function planeOf({ planes, height, width }: PlaneMap): Plane {
  return { height, width, values: planes[planeIndex.value ?? -1] ?? meanPlane(planes) };
}

function nameOf(name: string): string {
  const [, base, number] = /^(query)(\d+)$/.exec(name) ?? [null, name, ''];
  const explained = EXPLAINED[base];
  const which = number ? ` (${Number(number) + 1})` : '';
  return explained ? `${name}: ${explained}${which}` : name;
}

function numbered(positions: readonly number[]): Mark[] {
  return positions.map((position, index) => ({ position, text: String(index + 1) }));
}

function positionName(position: number, { width }: Grid): string {
  return `row ${Math.floor(position / width) + 1}, column ${(position % width) + 1}`;
}

function positionAt(event: MouseEvent, { height, width }: Grid): number {
  const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
  const along = (offset: number, size: number, count: number) => Math.min(count - 1, Math.max(0, Math.floor((offset / size) * count)));
  return along(event.clientY - box.top, box.height, height) * width + along(event.clientX - box.left, box.width, width);
}

function onKey(event: KeyboardEvent, { height, width }: Grid): void {
  const step = STEPS[event.key];
  if (step) {
    const [row, column] = [Math.floor(query.value / width) + step[1], (query.value % width) + step[0]];
    if (row >= 0 && row < height && column >= 0 && column < width) query.value = row * width + column;
  } else if (event.key === 'Enter' || event.key === ' ') togglePin(query.value);
  else if (event.key === 'Escape') pins.value = [];
  else return;
  event.preventDefault();
}
