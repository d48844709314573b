/** What the viewer shows. */
import type { BackendName } from '@saccade/backends/names';
import { computed, signal } from '@preact/signals';
import type { GradCam } from '../../look/grad-cam.ts';
import type { AttentionMap, Place, PlaneMap } from '../../look/maps.ts';
import type { Prediction, Viewer } from '../../look/viewer.ts';
import type { Picture } from './picture.ts';

/** The saved networks' file names; null until the server has told them. */
export const files = signal<readonly string[] | null>(null);
export const file = signal<string | null>(null);
export const viewer = signal<Viewer | null>(null);
export const picture = signal<Picture | null>(null);
export const inverted = signal(false);
/** Which of the places of the block is looked at. */
export const placeIndex = signal(0);
export const mapName = signal<string | null>(null);
/** Which of the planes of the map is looked at; null for their mean. */
export const planeIndex = signal<number | null>(null);
/** The position under the pointer, and those that are kept, as row-major indices. */
export const query = signal(0);
export const pins = signal<readonly number[]>([]);
export const label = signal(0);
export const showsTruth = signal(false);
export const opacity = signal(0.65);
export const smooth = signal(false);

export const prediction = signal<Prediction | null>(null);
export const cam = signal<GradCam | null>(null);
/** The block's maps by the query that they were computed for. */
export const computedMaps = signal<ReadonlyMap<number, readonly AttentionMap[]>>(new Map());
/** The last query of which the maps were there. */
export const lastQuery = signal(0);
/** Queries that are compared without being chosen, once their maps are there. */
export const spread = signal<readonly number[]>([]);

export const backend = signal<BackendName | null>(null);
export const busy = signal(0);
export const problem = signal<string | null>(null);

export const place = computed<Place | null>(() => viewer.value?.places[placeIndex.value] ?? null);
/** The maps of the query, or those of the last one that is ready. */
export const maps = computed(() => computedMaps.value.get(query.value) ?? computedMaps.value.get(lastQuery.value) ?? []);
export const planeMaps = computed(() => maps.value.filter((map) => map.kind === 'plane'));
/** The map over the image. */
export const shownMap = computed(() => planeMaps.value.find(({ name }) => name === mapName.value) ?? null);
export const pinnedMaps = computed(() => mapsAt(pins.value));
export const spreadMaps = computed(() => mapsAt(spread.value));

function mapsAt(positions: readonly number[]): PlaneMap[] {
  return positions.flatMap((position) => {
    const map = computedMaps.value.get(position)?.find(({ name, kind }) => kind === 'plane' && name === mapName.value);
    return map?.kind === 'plane' ? [map] : [];
  });
}
