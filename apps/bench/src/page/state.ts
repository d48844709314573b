import { computed, effect, signal } from '@preact/signals';
import { findDevices, listChoices, startRun, type Choice, type Device, type RunningRun, type RunState } from '../browser/runner.ts';
import type { Result, Run } from '../report/schema.ts';
import { readFile } from './files.ts';
import { defaultSettings, parseLink, parseShapes, requestOf, searchOf, type Settings } from './link.ts';
import { fetchRun, listRuns, sendRun, type ServerRun } from './server.ts';

/** A run that this page holds. */
export interface HeldRun {
  readonly key: string;
  /** Where it comes from, and what it was measured on. */
  readonly name: string;
  readonly run: Run;
  /** Where the server keeps it; null where it does not. */
  readonly serverId: string | null;
}

/** What the page tells its user, until he dismisses it. */
export interface Notice {
  readonly tone: 'error' | 'info';
  readonly text: string;
}

/** Null until they are found. */
export const choices = signal<readonly Choice[] | null>(null);
export const devices = signal<readonly Device[] | null>(null);
export const settings = signal<Settings>(defaultSettings([]));
/** The text of the shapes as it is typed, which may be none yet. */
export const shapesText = signal('');

/** The run under way, or null. */
export const running = signal<RunningRun | null>(null);
/** How the last run stands or ended; null before the first. */
export const progress = signal<RunState | null>(null);
/** What the run under way has measured; a new list only where it grew or changed. */
export const live = signal<readonly Result[]>([]);

export const held = signal<readonly HeldRun[]>([]);
/** Keys of the run that is shown, A, and of that which it is compared with, B. */
export const shownKey = signal<string | null>(null);
export const againstKey = signal<string | null>(null);
export const shown = computed(() => runWith(shownKey.value));
export const against = computed(() => (againstKey.value === shownKey.value ? null : runWith(againstKey.value)));

/** The server's runs; null where there is no server that keeps any. */
export const serverRuns = signal<readonly ServerRun[] | null>(null);
export const notices = signal<readonly Notice[]>([]);

/** The backend that a run would have: the one chosen, or the best that this device has. */
export const device = computed(() => {
  const found = devices.value?.filter((candidate) => candidate.missing === null) ?? [];
  const named = (name: string) => found.find(({ backend, software }) => backend === name && !software);
  const chosen = settings.value.backend;
  if (chosen) return found.find(({ backend }) => backend === chosen) ?? null;
  return named('webgpu') ?? named('webgl') ?? named('wasm') ?? found[0] ?? null;
});

/** The address of these settings: one that shows them, and one that starts their run. */
export const links = computed(() => {
  const all = choices.value ?? [];
  const runs = [shown.value, against.value].flatMap((entry) => entry?.serverId ?? []);
  return {
    settings: searchOf(settings.value, all, { runs }),
    run: searchOf({ ...settings.value, backend: device.value?.backend ?? null }, all, { run: true }),
  };
});

/** Finds out what there is to choose, and does what the address asks for. */
export async function start(): Promise<void> {
  const search = location.search;
  const server = refreshServerRuns();
  try {
    [choices.value, devices.value] = await Promise.all([listChoices(), findDevices()]);
  } catch (error) {
    notify('error', `The benchmark cannot start in this browser: ${messageOf(error)}`);
    return;
  }
  const link = parseLink(search, choices.value);
  change(link.settings);
  shapesText.value = (link.settings.shapes ?? []).map((shape) => shape.join('x')).join(', ');
  for (const problem of link.problems) notify('error', problem);
  const unusable = link.settings.backend !== null && device.value === null;
  if (unusable) {
    const missing = devices.value.find(({ backend }) => backend === link.settings.backend)?.missing;
    notify('error', `The link asks for ${link.settings.backend}, which cannot be had here: ${missing ?? 'there is none'}. Another is chosen.`);
    change({ backend: null });
  }
  const startsAtOnce = link.run && link.problems.length === 0 && !unusable;
  if (link.run && !startsAtOnce)
    notify('info', 'The run was not started, since the link cannot be followed as it is. Look at the choices, then press Run.');
  if (startsAtOnce) measure();
  await server;
  for (const id of link.runs) await loadFromServer(id);
  // Only now: until its runs are loaded, the address names what is not yet shown.
  effect(() => history.replaceState(null, '', `${location.pathname}${links.value.settings}${location.hash}`));
}

/** Changes some of the settings. */
export function change(some: Partial<Settings>): void {
  settings.value = { ...settings.value, ...some };
}

/** Starts the run that is chosen, if it can be followed. */
export function measure(): void {
  if (running.value) return;
  try {
    if (!device.value) throw new Error('No backend can be had in this browser.');
    // As it is typed: that may be no list of shapes, or none.
    const given = settings.value.shapes && parseShapes(shapesText.value);
    const request = requestOf({ ...settings.value, shapes: given }, device.value);
    live.value = [];
    progress.value = null;
    const run = startRun(request, onRunState);
    running.value = run;
    void run.finished.then(keepFinished);
  } catch (error) {
    notify('error', messageOf(error));
  }
}

/** Takes runs from files; what is none is told, and changes nothing. */
export async function loadFiles(files: readonly File[]): Promise<void> {
  for (const file of files) {
    try {
      hold(await readFile(file), file.name, null);
    } catch (error) {
      notify('error', messageOf(error));
    }
  }
}

export async function loadFromServer(id: string): Promise<void> {
  const there = held.value.find(({ serverId }) => serverId === id);
  try {
    if (there) show(there.key);
    else hold(await fetchRun(id), `server: ${id}`, id);
  } catch (error) {
    notify('error', messageOf(error));
  }
}

/** Hands a run to the server, where others find it. */
export async function send({ key, run }: HeldRun): Promise<void> {
  try {
    const serverId = await sendRun(run);
    held.value = held.value.map((entry) => (entry.key === key ? { ...entry, serverId } : entry));
    notify('info', `The server keeps the run as ${serverId}. The address of this page now shows it to others.`);
    await refreshServerRuns();
  } catch (error) {
    notify('error', messageOf(error));
  }
}

/** Lets go of a run. */
export function drop(key: string): void {
  held.value = held.value.filter((entry) => entry.key !== key);
  if (againstKey.value === key) againstKey.value = null;
  if (shownKey.value === key) {
    shownKey.value = againstKey.value ?? held.value.at(-1)?.key ?? null;
    againstKey.value = null;
  }
}

export function notify(tone: Notice['tone'], text: string): void {
  if (!notices.value.some((notice) => notice.text === text)) notices.value = [...notices.value, { tone, text }];
}

export function dismiss(notice: Notice): void {
  notices.value = notices.value.filter((other) => other !== notice);
}

function onRunState(state: RunState): void {
  progress.value = state;
  const changed = state.results.length !== live.value.length || state.results.some((result, i) => result !== live.value[i]);
  if (changed) live.value = state.results;
}

function keepFinished(run: Run | null): void {
  running.value = null;
  if (!run || run.results.length === 0) return;
  const number = 1 + held.value.filter(({ name }) => name.startsWith('this page')).length;
  hold(run, `this page, run ${number}`, null, true);
}

/** Keeps a run: what was just measured and the first one are shown, others are compared with what is shown. */
function hold(run: Run, from: string, serverId: string | null, isNew = false): void {
  const key = `${from} ${crypto.getRandomValues(new Uint32Array(1))[0]}`;
  held.value = [...held.value, { key, name: `${from}: ${run.environment.backend}, ${run.environment.device}`, run, serverId }];
  if (isNew) {
    againstKey.value = shownKey.value;
    shownKey.value = key;
  } else show(key);
}

function show(key: string): void {
  if (shownKey.value === null) shownKey.value = key;
  else if (shownKey.value !== key) againstKey.value = key;
}

function runWith(key: string | null): HeldRun | null {
  return held.value.find((entry) => entry.key === key) ?? null;
}

async function refreshServerRuns(): Promise<void> {
  serverRuns.value = await listRuns();
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
