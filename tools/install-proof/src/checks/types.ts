import * as path from 'node:path';
import { CommandError, run } from '../processes.ts';
import type { Project } from '../project.ts';
import { entriesOf, isBlock, type Tarball } from '../tarballs.ts';

/** The last compiler in JavaScript of each major version that apps may have, and the native one. */
export const COMPILERS = ['5.9.3', '6.0.3', '7.0.2'];
const NATIVE = COMPILERS.at(-1)!;
/** The ways to resolve modules, each with the `module` that it needs. */
const RESOLUTIONS = { nodenext: 'nodenext', bundler: 'esnext' };

/** Installs all compilers, each as `typescript-` and its version. */
export async function installCompilers(project: Project): Promise<void> {
  await project.install(...COMPILERS.map((version) => `typescript-${version}@npm:typescript@${version}`));
}

/**
 * Type-checks an app that imports every entry of every package.
 *
 * All packages at once: no block's types depend on another's, and a compiler spends nearly all its time on TensorFlow.js's.
 *
 * @param project where the packages are installed
 * @param compilers where the compilers are
 */
export async function provesTypes(version: string, tarballs: readonly Tarball[], project: Project, compilers: Project): Promise<void> {
  const compiler = path.join(compilers.folder, `node_modules/typescript-${version}/bin/tsc`);
  const file = `types-${version}.ts`;
  project.write(file, typedApp(tarballs));
  for (const [resolution, module] of Object.entries(RESOLUTIONS)) {
    const args = [compiler, file, '--noEmit', '--strict', '--target', 'es2022', '--module', module, '--moduleResolution', resolution];
    // TensorFlow.js's own types contradict themselves and lib.dom, so that whoever uses it must skip the check of libraries.
    await run(process.execPath, [...args, '--skipLibCheck'], project.folder);
    if (version === NATIVE) await ownTypesHold(args, project);
  }
}

/** Skipping libraries skips ours too, and turns what they fail to import into `any`. Once, then, all is checked, and TensorFlow.js forgiven. */
async function ownTypesHold(args: readonly string[], project: Project): Promise<void> {
  const output = await run(process.execPath, args, project.folder).catch((error: CommandError) => error.output);
  const own = output.split('\n').filter((line) => /^node_modules\/@saccade\/.*error TS/.test(line));
  if (own.length > 0) throw new Error(`without skipLibCheck:\n${own.join('\n')}`);
}

function typedApp(tarballs: readonly Tarball[]): string {
  const entries = tarballs.flatMap(({ manifest }) => entriesOf(manifest));
  const blocks = tarballs.filter(isBlock).map(({ manifest }) => entries.indexOf(manifest.name));
  return [
    `import * as tf from '@tensorflow/tfjs';`,
    ...entries.map((entry, i) => `import * as entry${i} from '${entry}';`),
    `type Layers<T> = { [K in keyof T]: T[K] extends abstract new (...args: never[]) => tf.layers.Layer ? K : never }[keyof T];`,
    `type HasLayers<T> = [Layers<T>] extends [never] ? false : true;`,
    ...blocks.map((i) => `export const blocks${i}: HasLayers<typeof entry${i}> = true;`),
    `export const entries = [${entries.map((_, i) => `entry${i}`).join(', ')}];`,
  ].join('\n');
}
