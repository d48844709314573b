import { rmSync } from 'node:fs';
import * as path from 'node:path';
import type { Browser } from 'playwright-core';
import type { Check } from '../check.ts';
import { findNodes } from '../nodes.ts';
import { Project } from '../project.ts';
import type { Registry } from '../registry.ts';
import { CORE, isBlock, type Tarball } from '../tarballs.ts';
import { companions, provesAlone } from './alone.ts';
import { nextGeneration, provesForced, provesLifted, provesSideBySide } from './cores.ts';
import { BUNDLERS, provesPages, writePageImports } from './pages.ts';
import { provesShared } from './shared.ts';
import { COMPILERS, installCompilers, provesTypes } from './types.ts';
import { provesWellFormed } from './well-formed.ts';

/** What the checks work with. */
export interface Workshop {
  readonly tarballs: readonly Tarball[];
  /** Those of the tarballs that are to be checked. */
  readonly chosen: readonly Tarball[];
  /** Has all tarballs. */
  readonly registry: Registry;
  readonly browser: Browser | null;
  /** For the projects, outside of the repository. */
  readonly folder: string;
}

/** All checks, the long ones first. */
export function checksOf(workshop: Workshop): Check[] {
  return [...checksTogether(workshop), ...checksOfCores(workshop), ...checksAlone(workshop)];
}

function checksTogether({ chosen, registry, browser, folder }: Workshop): Check[] {
  const installed = once(async () => {
    const project = new Project(path.join(folder, 'together'), registry);
    await project.install(...chosen.map(({ manifest }) => manifest.name), '@tensorflow/tfjs');
    writePageImports(chosen, project);
    return project;
  });
  const compilers = once(async () => {
    const project = new Project(path.join(folder, 'compilers'), registry);
    await installCompilers(project);
    return project;
  });
  const bundlers = Object.keys(BUNDLERS) as (keyof typeof BUNDLERS)[];
  return [
    { title: 'packages together share one core and one TensorFlow.js', prove: async () => provesShared(await installed()) },
    ...bundlers.map((bundler) => ({
      title: `pages bundled by ${bundler} train, save and reload`,
      prove: async () => provesPages(bundler, await installed(), browser),
    })),
    ...COMPILERS.map((version) => ({
      title: `types hold in TypeScript ${version}, nodenext and bundler`,
      prove: async () => provesTypes(version, chosen, await installed(), await compilers()),
    })),
  ];
}

/** What happens when core and a block are of different ages. The first two blocks stand for all: it is npm's and core's doing, not theirs. */
function checksOfCores({ tarballs, folder }: Workshop): Check[] {
  const core = tarballs.find(({ manifest }) => manifest.name === CORE)!;
  const generations = once(() => nextGeneration(core, tarballs.filter(isBlock), path.join(folder, 'generations')));
  const cases = [
    { title: 'a newer block lifts an older core', place: 'lifted', prove: provesLifted },
    { title: 'an older core and a newer one work side by side', place: 'side-by-side', prove: provesSideBySide },
    { title: 'a newer block with an older core forced on it fails, and npm explains with which versions', place: 'forced', prove: provesForced },
  ];
  return cases.map(({ title, place, prove }) => ({ title, prove: async () => prove(await generations(), path.join(folder, place)) }));
}

function checksAlone({ chosen, registry, folder }: Workshop): Check[] {
  const nodes = findNodes();
  const peers = peersAlone(registry, path.join(folder, 'peers'));
  return chosen.flatMap((tarball) => {
    const { name } = tarball.manifest;
    const prove = async () => {
      const project = new Project(path.join(folder, path.basename(name)), registry);
      const remark = await provesAlone(tarball, project, await peers(tarball), nodes);
      // Thirty copies of TensorFlow.js are two gigabytes.
      rmSync(project.folder, { recursive: true });
      return remark;
    };
    return [
      { title: `${name} works alone`, prove },
      { title: `${name}'s tarball is well-formed`, prove: () => provesWellFormed(tarball) },
    ];
  });
}

/** Where npm puts all that may come with a package, its peers and TensorFlow.js: installed without it, once for all that have the same peers. */
function peersAlone(registry: Registry, folder: string): (tarball: Tarball) => Promise<readonly string[]> {
  const known = new Map<string, Promise<readonly string[]>>();
  return (tarball) => {
    const peers = Object.entries(tarball.manifest.peerDependencies ?? {}).map(([name, range]) => `${name}@${range}`);
    const key = peers.join();
    const places = known.get(key) ?? placesOf([...peers, ...companions(tarball)], new Project(path.join(folder, String(known.size)), registry));
    known.set(key, places);
    return places;
  };
}

async function placesOf(names: readonly string[], project: Project): Promise<readonly string[]> {
  await project.install(...names);
  return project.installed().map(({ place }) => place);
}

/** The same promise at each call. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}
