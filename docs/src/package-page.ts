import type { Api } from './api.ts';
import { COST_SHAPE, costOf, type Layer } from './layers.ts';
import { table, whole } from './markdown.ts';
import type { Package } from './packages.ts';

/** Where the API reference describes an entry of a package. */
export function apiPage({ entries }: Package, specifier: string): string {
  const isFolder = entries.some((entry) => entry.specifier.startsWith(`${specifier}/`)) && entries.length > 2;
  return `/api/${specifier}${isFolder ? '/index' : ''}.md`;
}

/** The page of a package: its README, and what the types and the built code say of its layers. */
export function packagePage(of: Package, layers: readonly Layer[], api: Api): string {
  const description = /^# .*\n\n(.*?)(?:\n\n|$)/s.exec(of.readme)?.[1].replaceAll('\n', ' ') ?? '';
  const readme = of.readme.replaceAll(/\]\(\.\.\/([\w-]+)\)/g, '](./$1.md)');
  const entries = of.entries.map(({ specifier }) => `[\`${specifier}\`](${apiPage(of, specifier)})`);
  return [
    `---\ndescription: ${JSON.stringify(description)}\n---`,
    readme.trimEnd(),
    '## Reference',
    `Read from the types and the built code. API: ${entries.join(', ')}.`,
    ...layers.map((layer) => section(of, layer, api)),
    '',
  ].join('\n\n');
}

function section(of: Package, layer: Layer, api: Api): string {
  const link = `[\`${layer.name}\`](${apiPage(of, `@saccade/${of.name}`)}#${layer.name.toLowerCase()})`;
  const { options } = layer;
  const parts = [`### ${layer.name}`, layer.provenance];
  if (!options) return [...parts, `It wraps a layer: ${link} says how.`].join('\n\n');
  const rows = Object.entries(options).map(([name, option]) => [
    `\`${name}\``,
    `\`${JSON.stringify(option.default).replaceAll('"', "'")}\``,
    option.expected,
    api.optionComment(of.name, layer.name, name),
  ]);
  const { params, macs } = costOf(layer);
  return [
    ...parts,
    rows.length > 0 ? table(['option', 'default', 'must be', ''], rows) : 'There are no options.',
    `With these defaults, on \`[${COST_SHAPE.join(', ')}]\`: ${whole(params)} parameters, ${whole(macs)} multiply-adds. Class ${link}.`,
  ].join('\n\n');
}
