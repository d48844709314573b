import * as path from 'node:path';
import { packEdited } from '../edited.ts';
import { run, type CommandError } from '../processes.ts';
import { Project } from '../project.ts';
import { serveRegistry, type Registry } from '../registry.ts';
import { BACKEND, CORE, SINGLE, type Tarball } from '../tarballs.ts';
import { expectSingle } from './shared.ts';

/** A core and a block as packed; and a minor version later, a core with something new, and another block that uses it. */
export interface Generations {
  readonly core: string;
  readonly newerCore: string;
  readonly block: string;
  readonly newerBlock: string;
  /** Has the core and the block alone. */
  readonly before: Registry;
  /** Has all four. */
  readonly after: Registry;
}

/** Packs and serves both generations. */
export async function nextGeneration(core: Tarball, [block, other]: readonly Tarball[], folder: string): Promise<Generations> {
  const versions = { core: nextMinor(core), block: nextMinor(other) };
  const newerCore = await packEdited(core, path.join(folder, 'core'), { version: versions.core }, 'export const isNewer = true;');
  const needsIt = { version: versions.block, dependencies: { [CORE]: `^${versions.core}` } };
  const usesIt = `import { isNewer } from '${CORE}';\nif (!isNewer) throw new Error('This is another core.');`;
  const newerBlock = await packEdited(other, path.join(folder, 'block'), needsIt, usesIt);
  return {
    core: core.manifest.version,
    newerCore: versions.core,
    block: block.manifest.name,
    newerBlock: other.manifest.name,
    before: await serveRegistry([core, block]),
    after: await serveRegistry([core, newerCore, block, newerBlock]),
  };
}

/** An app with an older core adds a newer block: npm moves the whole app to the newer core, which the older block accepts too. */
export async function provesLifted({ before, after, core, newerCore, block, newerBlock }: Generations, folder: string): Promise<string> {
  const project = new Project(folder, before);
  await project.install(block, BACKEND);
  expectCores(project, [core]);
  project.use(after);
  await project.install(newerBlock);
  expectCores(project, [newerCore]);
  await useBoth(project, block, newerBlock);
  return `${core} became ${newerCore}`;
}

/** An app that holds on to the older core has two cores. They share no state: one model with a layer of each trains, saves and loads. */
export async function provesSideBySide({ after, core, newerCore, block, newerBlock }: Generations, folder: string): Promise<string> {
  const project = new Project(folder, after);
  await project.install(`${CORE}@${core}`, block, newerBlock, BACKEND);
  expectCores(project, [core, newerCore]);
  await useBoth(project, block, newerBlock);
  return `${core} beside ${newerCore}`;
}

/**
 * An app that forces the older core on all has a newer block miss what it uses. ES modules are linked before any of their code runs, so that
 * Node's own message is all there can be: it names the block's file, the core and what it lacks. The versions are npm's to name.
 */
export async function provesForced({ after, core, newerCore, block, newerBlock }: Generations, folder: string): Promise<string> {
  const project = new Project(folder, after, { overrides: { [CORE]: core } });
  await project.install(block, newerBlock, BACKEND);
  expectCores(project, [core]);
  const message = await useBoth(project, block, newerBlock).then(
    () => 'nothing',
    (error: CommandError) => error.output,
  );
  expectWords('Node', message, [`${newerBlock}/dist/index.js`, `'${CORE}'`, 'isNewer']);
  const explanation = await run('npm', ['explain', CORE, '--no-color'], project.folder);
  expectWords('npm explain', explanation, [`${CORE}@${core}`, `^${newerCore}`, newerBlock]);
  return `Node: ${lineWith('SyntaxError', message)}; npm explain: ${lineWith(newerCore, explanation)}`;
}

function lineWith(word: string, message: string): string {
  return message
    .split('\n')
    .find((line) => line.includes(word))!
    .trim();
}

async function useBoth(project: Project, ...blocks: readonly string[]): Promise<void> {
  await run(process.execPath, ['two-blocks.js', ...blocks], project.folder);
}

function expectCores(project: Project, versions: readonly string[]): void {
  const found = project.copiesOf(CORE).map(({ version }) => version);
  if (String(found.toSorted()) !== String(versions.toSorted()))
    throw new Error(`npm installed core ${found.join(', ') || 'in no version'}, not ${versions.join(', ')}`);
  expectSingle(SINGLE, project);
}

function expectWords(who: string, message: string, words: readonly string[]): void {
  const missing = words.filter((word) => !message.includes(word));
  if (missing.length > 0) throw new Error(`${who} does not name ${missing.join(', ')}:\n${message}`);
}

function nextMinor({ manifest }: Tarball): string {
  const [major, minor] = manifest.version.split('.').map(Number);
  return `${major}.${minor + 1}.0`;
}
