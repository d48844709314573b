import { build } from 'esbuild';
import type { NodeBinary } from '../nodes.ts';
import { run } from '../processes.ts';
import type { Project } from '../project.ts';
import { BACKEND, CORE, entriesOf, isBlock, SINGLE, WASM, type Tarball } from '../tarballs.ts';
import { expectSingle } from './shared.ts';

/** What an app installs beside a package: a backend, and the layers where the package has no use for them. */
export function companions(tarball: Tarball): string[] {
  const bringsLayers = isBlock(tarball) || tarball.manifest.name === CORE;
  return [BACKEND, ...(bringsLayers ? [] : ['@tensorflow/tfjs-layers'])];
}

/**
 * Installs one package, as its users do, into an empty project, and uses it there.
 *
 * A project for each: beside others a package would find what it forgot to depend on.
 *
 * @param expected where npm puts the package's peers and the app's companions without it
 * @param nodes what the package must run in
 */
export async function provesAlone(tarball: Tarball, project: Project, expected: readonly string[], nodes: readonly NodeBinary[]): Promise<string> {
  const { name } = tarball.manifest;
  await project.install(name, ...companions(tarball));
  onlyItArrived(tarball, project, expected);
  let output = '';
  for (const node of nodes) output = await usedFrom(node, tarball, project);
  await bundleBareImport(name, project);
  if (isBlock(tarball)) await reloads(output, nodes.at(-1)!, project);
  if (name === WASM) await run(process.execPath, ['train-on-wasm.js'], project.folder);
  return `Node ${nodes.map(({ version }) => version).join(' and ')}`;
}

function onlyItArrived(tarball: Tarball, project: Project, expected: readonly string[]): void {
  const own = isBlock(tarball) ? [tarball.manifest.name, CORE] : [tarball.manifest.name];
  const wanted = [...expected, ...own.map((name) => `node_modules/${name}`)];
  const found = project.installed().map(({ place }) => place);
  const surplus = found.filter((place) => !wanted.includes(place));
  const missing = wanted.filter((place) => !found.includes(place));
  if (surplus.length > 0)
    throw new Error(`npm installed ${surplus.join(', ')}, which is neither ${own.join(' or ')} nor comes with the package's peers`);
  if (missing.length > 0) throw new Error(`npm did not install ${missing.join(', ')}. Is it a dependency or a peer?`);
  expectSingle(SINGLE, project);
}

async function usedFrom(node: NodeBinary, { manifest }: Tarball, project: Project): Promise<string> {
  const entries = entriesOf(manifest);
  const output = await run(node.file, ['import.js', ...entries], project.folder);
  if (node.requiresModules) await run(node.file, ['require.cjs', ...entries], project.folder);
  return output;
}

/** As apps are bundled, with all that may be dropped dropped. TensorFlow.js stays outside: Node then loads it once for the bundle and the app. */
async function bundleBareImport(name: string, { folder }: Project): Promise<void> {
  await build({
    stdin: { contents: `import '${name}'`, resolveDir: folder },
    outfile: `${folder}/bare.bundle.js`,
    bundle: true,
    minify: true,
    format: 'esm',
    external: ['@tensorflow/*'],
    logLevel: 'silent',
  });
}

async function reloads(saved: string, node: NodeBinary, project: Project): Promise<void> {
  const reloaded = await run(node.file, ['reload.js'], project.folder).catch((error: Error) => {
    throw new Error(`a bare import, bundled by esbuild, does not load the saved model: ${error.message}`);
  });
  if (reloaded !== saved) throw new Error(`the saved model predicted ${saved.slice(0, 80)}…, the reloaded one ${reloaded.slice(0, 80)}…`);
}
