/** What makes the viewer show what it shows. TensorFlow.js works for one thing at a time, in the order asked for. */
import { useBackend } from '@saccade/backends/browser';
import { batch, effect } from '@preact/signals';
import { dispose, nextFrame, tidy, type Tensor4D } from '@tensorflow/tfjs-core';
import { packages } from 'virtual:saccade-packages';
import type { ImageSet } from '../../data/images.ts';
import { gradCam } from '../../look/grad-cam.ts';
import { mapsOf, networkBefore, reachOf, spreadOver, type AttentionMap, type Place, type PlaneMap } from '../../look/maps.ts';
import { loadNetwork, type SavedNetwork } from '../../look/saved-network.ts';
import { imageFor, openViewer, predict, type Prediction, type Viewer } from '../../look/viewer.ts';
import type { Task } from '../../tasks/tasks.ts';
import { fastest } from './backend.ts';
import { photo, pictureFrom, pixelsFor, PHOTOS, testImage, testSet, type Picture } from './picture.ts';
import {
  backend,
  busy,
  cam,
  computedMaps,
  file,
  files,
  inverted,
  label,
  lastQuery,
  mapName,
  picture,
  pins,
  place,
  placeIndex,
  planeIndex,
  planeMaps,
  prediction,
  problem,
  query,
  showsTruth,
  spread,
  viewer,
} from './state.ts';

/** Queries that are compared without being chosen: so many along each axis. */
const SPREAD = 4;
/** The most queries that can be kept. */
const MOST_PINS = 4;

/** The file that was asked for last, which may not be there yet. */
let wanted: string | null = null;
let saved: SavedNetwork | null = null;
/** The picture, as the network takes it. */
let image: { readonly viewer: Viewer; readonly tensor: Tensor4D } | null = null;
let features: Tensor4D | null = null;
let reach: ((position: number) => PlaneMap) | null = null;
let tests: { readonly task: Task; readonly set: ImageSet } | null = null;
let testIndex = 0;
let gpuLost = false;

let last: Promise<unknown> = Promise.resolve();
/** Counts what makes all that was computed before worthless. */
let age = 0;

/** Finds the networks, and shows the first one with an image that it knows. */
export async function start(): Promise<void> {
  if (files.value !== null) return;
  files.value = [];
  const response = await fetch('networks/index.json').catch(() => null);
  const names: unknown = response?.ok ? await response.json().catch(() => []) : [];
  files.value = Array.isArray(names) ? names.filter((name): name is string => typeof name === 'string') : [];
  if (files.value.length > 0) await openFile(files.value[0]);
}

export async function openFile(name: string): Promise<void> {
  wanted = name;
  await attempt(async () => {
    const response = await fetch(`networks/${encodeURIComponent(name)}`);
    if (!response.ok) throw new Error(`The network "${name}" cannot be fetched (${response.status}).`);
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (wanted === name) await open(name, bytes);
  });
}

/** A network that lies on this device. */
export async function openOwn(from: File): Promise<void> {
  wanted = null;
  await attempt(async () => open(from.name, new Uint8Array(await from.arrayBuffer())));
}

async function open(name: string, bytes: Uint8Array): Promise<void> {
  saved = loadNetwork(bytes);
  file.value = name;
  await build(null);
}

/** Lets the block repeat its attention so many times. */
export async function repeat(times: number): Promise<void> {
  await attempt(() => build(times));
}

async function build(recurrence: number | null): Promise<void> {
  const network = saved!;
  await inTurn(async () => {
    if (backend.value === null) await startBackend();
    const built = await openViewer(network, packages, recurrence);
    age++;
    const before = viewer.peek();
    const isOther = before?.provenance !== built.provenance;
    batch(() => {
      viewer.value = built;
      if (!isOther) return;
      placeIndex.value = Math.max(0, built.places.length - 1);
      mapName.value = null;
      planeIndex.value = null;
      query.value = middleOf(built.places.at(-1));
      pins.value = [];
    });
    before?.network.dispose();
  });
  const isOfTest = picture.value === null || picture.value.pixels !== null;
  if (isOfTest && tests?.task !== viewer.value!.task) await showTest(0);
  else await analyse();
}

/** Shows the test image that is so many further on. */
export async function showTest(step: number): Promise<void> {
  await attempt(async () => {
    const current = viewer.value!;
    try {
      if (tests?.task !== current.task) tests = { task: current.task, set: await testSet(current) };
    } catch (error) {
      // Where there is no server there still are the photographs.
      if (picture.value === null) await showPhoto(PHOTOS[0]);
      throw error;
    }
    testIndex = (testIndex + step + tests.set.count) % tests.set.count;
    await show(testImage(current, tests.set, testIndex));
  });
}

export async function showPhoto(which: (typeof PHOTOS)[number]): Promise<void> {
  await attempt(async () => show(await photo(which)));
}

export async function showFile(from: File): Promise<void> {
  await attempt(async () => show(await pictureFrom(from.name, from)));
}

export async function show(next: Picture): Promise<void> {
  picture.value = next;
  if (next.truth === null) showsTruth.value = false;
  await attempt(analyse);
}

export async function invert(on: boolean): Promise<void> {
  inverted.value = on;
  await attempt(analyse);
}

export async function choosePlace(index: number): Promise<void> {
  batch(() => {
    placeIndex.value = index;
    mapName.value = null;
    planeIndex.value = null;
    query.value = middleOf(place.value ?? undefined);
    pins.value = [];
  });
  await attempt(lookAtPlace);
}

export function chooseMap(name: string): void {
  batch(() => {
    mapName.value = name;
    planeIndex.value = null;
  });
}

/** Keeps a query, or lets go of it. */
export function togglePin(position: number): void {
  const others = pins.value.filter((pin) => pin !== position);
  pins.value = others.length < pins.value.length ? others : [...others, position].slice(-MOST_PINS);
}

export async function chooseLabel(index: number): Promise<void> {
  label.value = index;
  await attempt(computeCam);
}

/** The picture goes through the network. */
async function analyse(): Promise<void> {
  const own = ++age;
  const [current, source] = [viewer.value, picture.value];
  if (!current || !source) return;
  await inTurn(async () => {
    if (own !== age) return;
    if (image) dispose(image.tensor);
    image = { viewer: current, tensor: imageFor(current, pixelsFor(current, source, inverted.value)) };
    const predicted = await predict(current, image.tensor);
    batch(() => {
      prediction.value = predicted;
      label.value = mostLikely(predicted, current);
    });
  });
  if (own !== age) return;
  await lookAtPlace();
  await computeCam();
}

/** The block's maps, where it is looked at. */
async function lookAtPlace(): Promise<void> {
  const own = ++age;
  const [current, here] = [viewer.value!, place.value];
  batch(() => {
    spread.value = [];
    if (!here) computedMaps.value = new Map();
  });
  if (!here) return;
  await inTurn(async () => {
    if (own !== age || image?.viewer !== current) return;
    const { tensor } = image;
    const before = networkBefore(current.network, here);
    if (features) dispose(features);
    features = tidy(() => before.apply(tensor) as Tensor4D);
    reach = await reachOf(here.layer, features);
    const first = await allMaps(here, query.value);
    batch(() => {
      computedMaps.value = new Map([[query.value, first]]);
      lastQuery.value = query.value;
      if (!first.some(({ name, kind }) => kind === 'plane' && name === mapName.value)) mapName.value = defaultMap(first);
    });
  });
  const dependsOnQuery = planeMaps.value.some(({ ofQuery }) => ofQuery);
  if (!dependsOnQuery) return;
  const positions = spreadOver(here, SPREAD);
  for (const position of [...pins.value, ...positions]) if (own === age) await lookFrom(position, false);
  if (own === age) spread.value = positions;
}

/** Computes the maps of a query, unless they are there, or no longer wanted. */
async function lookFrom(position: number, onlyIfShown: boolean): Promise<void> {
  const own = age;
  if (computedMaps.peek().has(position)) return;
  await inTurn(async () => {
    const here = place.peek();
    const isShown = position === query.peek() || pins.peek().includes(position);
    if (own !== age || !here || computedMaps.peek().has(position) || (onlyIfShown && !isShown)) return;
    const found = await allMaps(here, position);
    if (own !== age) return;
    batch(() => {
      computedMaps.value = new Map([...computedMaps.peek(), [position, found]]);
      if (position === query.peek()) lastQuery.value = position;
    });
  });
}

async function allMaps({ layer }: Place, position: number): Promise<AttentionMap[]> {
  const own = await mapsOf(layer, features!, position);
  return reach ? [reach(position), ...own] : own;
}

async function computeCam(): Promise<void> {
  await inTurn(async () => {
    const current = viewer.value;
    if (current && image?.viewer === current) cam.value = await gradCam(current.network, image.tensor, label.value);
  });
}

// The pointer is faster than the network: what it has left is not looked at.
effect(() => {
  const shown = [query.value, ...pins.value];
  if (computedMaps.peek().size === 0) return;
  if (computedMaps.peek().has(query.value)) lastQuery.value = query.value;
  for (const position of shown) void lookFrom(position, true).catch(tell);
});

/** The most likely class; of pixels, one that is something. */
function mostLikely({ shares, pixels }: Prediction, { task }: Viewer): number {
  const order = task.labels.map((_, index) => index).toSorted((a, b) => shares[b] - shares[a]);
  return pixels && task.labels[order[0]] === 'background' ? order[1] : order[0];
}

function defaultMap(found: readonly AttentionMap[]): string | null {
  return found.find(({ kind }) => kind === 'plane')?.name ?? null;
}

function middleOf(at: Place | undefined): number {
  return at ? Math.floor(at.height / 2) * at.width + Math.floor(at.width / 2) : 0;
}

async function startBackend(): Promise<void> {
  backend.value = await fastest(!gpuLost, (name) => useBackend(name, { onLost: (reason) => void goOnWithout(reason) }));
}

/** What lay on the GPU is gone with it, and what was under way may never end. */
async function goOnWithout(reason: string): Promise<void> {
  age++;
  gpuLost = true;
  [image, features, reach] = [null, null, null];
  last = Promise.resolve();
  busy.value = 0;
  backend.value = null;
  await attempt(() => build(viewer.value?.recurrence ?? null));
  problem.value ??= `The GPU was lost (${reason}): the CPU computes from here on.`;
}

/** Does one thing after the other, and tells that something is done. */
async function inTurn(work: () => Promise<void>): Promise<void> {
  const before = last;
  const turn = (async () => {
    await before.catch(() => undefined);
    busy.value++;
    try {
      await nextFrame();
      await work();
    } finally {
      busy.value = Math.max(0, busy.value - 1);
    }
  })();
  last = turn;
  await turn;
}

async function attempt(work: () => Promise<unknown>): Promise<void> {
  try {
    problem.value = null;
    await work();
  } catch (error) {
    tell(error);
  }
}

function tell(error: unknown): void {
  problem.value = error instanceof Error ? error.message : String(error);
}
